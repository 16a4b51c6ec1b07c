"""The optimizers that a check takes its steps with: given, the model's own, or plain SGD."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

from torch import nn
from torch.optim import SGD, Optimizer

from inithealth.record.live.optimizers import describe_optimizers
from inithealth.record.sandbox.restore import optimizer_undisturbed
from inithealth.sessions.lightning_module import configured_optimizers, is_lightning

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


def refuse_optimizers(optimizer: Any, model: nn.Module) -> list[Optimizer]:
    """The optimizers given. Raises TypeError or ValueError where they are none of this model."""
    given = list(optimizer) if isinstance(optimizer, (list, tuple)) else [] if optimizer is None else [optimizer]
    ours = {id(parameter) for parameter in model.parameters()}
    for each in given:
        if isinstance(each, type) or not hasattr(each, "param_groups"):
            word = f"the class {each.__name__}" if isinstance(each, type) else type(each).__name__
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, not {word}: make it of the model's parameters")
        if not any(id(parameter) in ours for group in each.param_groups for parameter in group["params"]):
            raise ValueError(f"{type(each).__name__} holds no parameter of the model: make it of model.parameters()")
    return given


def optimizers_of(
    model: nn.Module, given: list[Optimizer], trainable: Sequence[nn.Parameter]
) -> tuple[list[Optimizer], str]:
    """The optimizer given, or the LightningModule's own, or SGD; and what the report says of it."""
    if given:
        return given, describe_optimizers(given)
    if is_lightning(model):
        try:
            own = configured_optimizers(model)
        except Exception as error:  # it may want a trainer, which a check does without
            why = f"configure_optimizers raised {type(error).__name__}"
        else:
            if own:
                return own, describe_optimizers(own)
            why = "configure_optimizers gave none"
    else:
        why = "none given"
    default = SGD(trainable, lr=0.01)
    return [default], f"{describe_optimizers([default])} ({why})"


@contextmanager
def at_work(optimizers: Sequence[Optimizer]) -> Iterator[None]:
    """Within, every optimizer moves its parameters; on exit all of them are as before.

    A learning rate of 0, as a warm-up starts with, is set to the size that it is to reach.
    """
    with ExitStack() as stack:
        for optimizer in optimizers:
            stack.enter_context(optimizer_undisturbed(optimizer))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            if float(group.get("lr", 1.0)) == 0.0:
                group["lr"] = group.get("initial_lr") or 0.01
        yield


def step(optimizer: Optimizer, closure: Callable[[], float]) -> None:
    wanted = signature(optimizer.step).parameters.get("closure")
    if wanted is not None and wanted.default is wanted.empty:  # LBFGS and its kin run the model themselves
        optimizer.step(closure)
    else:
        optimizer.step()
