"""The optimizers for the steps of a check: given by the user, the model's own, or SGD."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any, NamedTuple

from torch import nn
from torch.optim import SGD, Optimizer

from inithealth.record.live.optimizers import describe_optimizers, first_rate
from inithealth.record.sandbox.restore import optimizer_undisturbed
from inithealth.sessions.lightning_module import configured_optimizers, is_lightning

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


def refuse_optimizers(optimizer: Any, model: nn.Module) -> list[Optimizer]:
    """Return the given optimizers as a list.

    Raises:
        TypeError: one is not an optimizer.
        ValueError: one has no parameter of the model.
    """
    given = list(optimizer) if isinstance(optimizer, (list, tuple)) else [] if optimizer is None else [optimizer]
    ours = {id(parameter) for parameter in model.parameters()}
    for each in given:
        if isinstance(each, type) or not hasattr(each, "param_groups"):
            word = f"the class {each.__name__}" if isinstance(each, type) else type(each).__name__
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, not {word}: create it with model.parameters()")
        if not any(id(parameter) in ours for group in each.param_groups for parameter in group["params"]):
            raise ValueError(f"{type(each).__name__} has no parameter of the model: create it with model.parameters()")
    return given


class Chosen(NamedTuple):
    """The optimizers of a check, their description for the report, and the learning rate, if an optimizer is known."""

    optimizers: list[Optimizer]
    note: str
    rate: float | None


def optimizers_of(model: nn.Module, given: list[Optimizer], trainable: Sequence[nn.Parameter]) -> Chosen:
    """Return the given optimizers, or the LightningModule's, or SGD."""
    if given:
        return Chosen(given, describe_optimizers(given), first_rate(given))
    if is_lightning(model):
        try:
            own = configured_optimizers(model)
        except Exception as error:  # it may need a Trainer that a check does not have
            why = f"configure_optimizers raised {type(error).__name__}"
        else:
            if own:
                return Chosen(own, describe_optimizers(own), first_rate(own))
            why = "configure_optimizers returned none"
    else:
        why = "none given"
    default = SGD(trainable, lr=0.01)
    return Chosen([default], f"{describe_optimizers([default])} ({why})", None)


@contextmanager
def with_learning_rate(optimizers: Sequence[Optimizer]) -> Iterator[None]:
    """Give every optimizer a positive learning rate in the context; restore the optimizers on exit.

    A learning rate of 0, as at the start of a warm-up, is replaced by the initial rate of the schedule.
    """
    with ExitStack() as stack:
        for optimizer in optimizers:
            stack.enter_context(optimizer_undisturbed(optimizer))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            if float(group.get("lr", 1.0)) == 0.0:
                group["lr"] = group.get("initial_lr") or 0.01
        yield


def step(optimizer: Optimizer, closure: Callable[[], float]) -> None:
    closure_parameter = signature(optimizer.step).parameters.get("closure")
    if closure_parameter is not None and closure_parameter.default is closure_parameter.empty:  # as in LBFGS
        optimizer.step(closure)
    else:
        optimizer.step()
