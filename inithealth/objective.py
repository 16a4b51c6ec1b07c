"""What a model trains on: one call that runs it on the batch and gives a scalar loss."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.call import Call
from inithealth.record.sample import floating_tensors

LossFunction = Callable[[Any], Tensor]


def is_lightning(model: nn.Module) -> bool:
    """Whether it is a LightningModule of either namespace; imports neither."""
    homes = (sys.modules.get("pytorch_lightning"), sys.modules.get("lightning.pytorch"))
    return any(isinstance(model, home.LightningModule) for home in homes if home is not None)


class Objective:
    """Runs the model and gives the loss.

    Attributes:
        note: which loss it is, for the report.
        projected: True when no loss was given or found, and a random projection stands in.
    """

    def __init__(self, model: nn.Module, batch: Any, loss: LossFunction | None) -> None:
        self.model, self.batch, self.loss = model, batch, loss
        self.projected = False
        self.lightning = is_lightning(model) and loss is None
        self.note = "loss: training_step's" if self.lightning else "loss: as given"

    def __call__(self, *, needs_graph: bool = True) -> Tensor:
        """One forward pass. Raises ValueError when what comes out is no loss; the model's own errors as they are."""
        loss, what = self._loss()
        return _scalar(loss, what, needs_graph)

    def _loss(self) -> tuple[Any, str]:
        if self.lightning:
            return self._training_step(), "training_step"
        call = Call.of(self.batch)
        output = self.model(*call.args, **call.kwargs)
        if self.loss is not None:
            return self.loss(output), "the loss"
        found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        if isinstance(found, Tensor):
            self.note = "loss: the output's own"
            return found, "output.loss"
        self.note, self.projected = "loss: a random projection of the outputs (none given)", True
        return _projection(output), "the output"

    def _training_step(self) -> Any:
        collected: list[Tensor] = []
        with _no_trainer(self.model, collected):
            result = self.model.training_step(self.batch, 0)  # type: ignore[operator]
        if collected:  # manual optimization: what it would have run backward on
            return torch.stack([loss.reshape(()) for loss in collected]).sum()
        return result.get("loss") if isinstance(result, Mapping) else result


def _scalar(loss: Any, what: str, needs_graph: bool) -> Tensor:
    if not isinstance(loss, Tensor):
        raise ValueError(f"{what} must give a scalar tensor, not {type(loss).__name__}")
    if loss.numel() != 1:
        raise ValueError(f"{what} must give a scalar, not shape {tuple(loss.shape)}: reduce it with .mean()")
    if needs_graph and not loss.requires_grad:
        raise ValueError(
            f"{what} has no graph: it was computed under no_grad, detached, or by parameters that are all frozen"
        )
    return loss.reshape(())


def _projection(output: Any) -> Tensor:
    """A seeded random direction of all floating outputs, of unit length, in place of a loss."""
    generator = torch.Generator().manual_seed(0)
    tensors = list(floating_tensors(output))
    if not tensors:
        raise ValueError(
            f"the output ({type(output).__name__}) holds no floating tensor to make a loss of: pass loss=..."
        )
    total = sum(t.numel() for t in tensors) ** 0.5
    parts = []
    for tensor in tensors:
        flat = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        direction = torch.randn(flat.shape, generator=generator).to(flat.device)
        parts.append((flat.float() * direction).sum() / total)
    return torch.stack(parts).sum()


@contextmanager
def _no_trainer(model: nn.Module, collected: list[Tensor]) -> Iterator[None]:
    """Within, a LightningModule's calls to its trainer do nothing; manual losses are collected, not run backward."""

    def nothing(*args: Any, **kwargs: Any) -> None:
        return None

    def optimizers(use_pl_optimizer: bool = True) -> Any:
        idle = [_Idle(optimizer) for optimizer in configured_optimizers(model)]
        return idle[0] if len(idle) == 1 else idle

    stand_ins: dict[str, Any] = {
        "log": nothing,
        "log_dict": nothing,
        "clip_gradients": nothing,
        "toggle_optimizer": nothing,
        "untoggle_optimizer": nothing,
        "lr_schedulers": nothing,
        "optimizers": optimizers,
        "manual_backward": lambda loss, *args, **kwargs: collected.append(loss),
    }
    before = {name: model.__dict__[name] for name in stand_ins if name in model.__dict__}
    model.__dict__.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del model.__dict__[name]
        model.__dict__.update(before)


class _Idle:
    """An optimizer that answers every call and steps nothing."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        return closure() if closure is not None else None

    def zero_grad(self, set_to_none: bool = True) -> None:
        return None

    @contextmanager
    def toggle_model(self, sync_grad: bool = True) -> Iterator[None]:
        yield

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)


def configured_optimizers(model: nn.Module) -> list[Optimizer]:
    """What a LightningModule's ``configure_optimizers`` makes, schedulers left out."""
    return list(_optimizers_in(model.configure_optimizers()))  # type: ignore[operator]


def _optimizers_in(made: Any) -> Iterator[Optimizer]:
    if isinstance(made, Optimizer):
        yield made
    elif isinstance(made, Mapping):
        yield from _optimizers_in(made.get("optimizer"))
    elif isinstance(made, (list, tuple)):
        for item in made:
            yield from _optimizers_in(item)
