"""What other libraries call the arguments of ``check``, for the error about an unknown one."""

from __future__ import annotations

from inithealth.settings import Settings
from inithealth.suggest import unknown

_ARGUMENTS = ("batch", "loss", "optimizer", "settings")
_BATCH = "pass a batch of real samples as the second argument"
_ADVICE = {
    "criterion": "pass loss=...",
    "loss_fn": "pass loss=...",
    "optim": "pass optimizer=...",
    "optimizers": "pass optimizer=[...]",
    "input_size": f"{_BATCH}, or torch.randn(input_size) if random numbers will do",
    **dict.fromkeys(("input_data", "input", "inputs", "x", "data", "loader", "dataloader"), _BATCH),
    **dict.fromkeys(("y", "target", "targets", "labels"), "pass (inputs, targets) as the batch, and loss=..."),
}


def unknown_argument(name: str, function: str = "check()", own: tuple[str, ...] = ()) -> str:
    """Return the message for an argument that a function does not have; ``own`` are those that no other one has."""
    advice = _ADVICE.get(name)
    if advice is None and name in Settings.model_fields:
        advice = f"pass settings={{{name!r}: ...}}"
    return (
        f"{function} has no argument {name!r}: {advice}" if advice else unknown("argument", name, (*_ARGUMENTS, *own))
    )
