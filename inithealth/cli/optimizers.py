"""``--optimizer sgd``, ``--optimizer adam:0.001``: the optimizer of the training."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from inithealth.cli.errors import BadInput
from inithealth.suggest import unknown

_OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def kind_of(text: str) -> tuple[type[Optimizer], float | None]:
    name, _, rate = text.partition(":")
    if name not in _OPTIMIZERS:
        raise BadInput(f"--optimizer {text!r}: {unknown('optimizer', name, _OPTIMIZERS)}")
    try:
        return _OPTIMIZERS[name], float(rate) if rate else None
    except ValueError:
        raise BadInput(f"--optimizer {text!r}: {rate!r} is not a learning rate") from None


def optimizer_of(text: str | None, model: nn.Module) -> Optimizer | None:
    if text is None:
        return None
    kind, rate = kind_of(text)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        return None  # `check` raises an error for a model without trainable parameters
    return kind(trainable, lr=rate if rate is not None else 0.01 if kind is SGD else 1e-3)  # type: ignore[call-arg]
