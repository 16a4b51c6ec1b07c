"""``initialization``: a whole initialization for a model, from the roles of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from torch import nn
from torch.optim import Optimizer

from inithealth.findings import Report
from inithealth.judge.diagnose import diagnose
from inithealth.operations import Operation
from inithealth.planning.plan import planned
from inithealth.planning.plan_code import code_of, ordered_operations
from inithealth.record.sandbox.execution import Names, execute
from inithealth.sessions.fix_trials import NotTried
from inithealth.sessions.objective import LossFunction
from inithealth.sessions.other_names import unknown_argument
from inithealth.sessions.request import requested
from inithealth.settings import Settings, settings_of

__tracebackhide__ = True  # pytest shows the line that calls `initialization`, not these


@dataclass(frozen=True)
class Initialization:
    """A whole initialization of one model. ``str(initialization)`` is the code of a function ``init_weights(model)``.

    Attributes:
        operations: what the function does, as data.
        code: the function.
        kept: the parameters that it does not change, by reason.
        before: the report of the model as it is.
        after: the report of the model with this initialization.
    """

    operations: tuple[Operation, ...]
    code: str
    kept: Mapping[str, tuple[str, ...]]
    before: Report
    after: Report

    def apply(self, model: nn.Module) -> None:
        """Initialize a model in place, with the same effect as the function. The weights are random: seed before.

        Raises:
            TypeError: `model` is not a module.
            ValueError: a parameter is missing or has another shape. Nothing is changed then.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
        execute(model, self.operations)

    def __str__(self) -> str:
        return self.code

    def __repr__(self) -> str:
        return f"<Initialization of {len(self.operations)} operations for {self.before.model}>"


def initialization(
    model: nn.Module,
    batch: Any,
    *misplaced: NoReturn,
    loss: LossFunction | None = None,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    **unknown: NoReturn,
) -> Initialization:
    """Return a whole initialization for a model, from what a recorded forward and backward pass shows of its flow.

    ::

        found = inithealth.initialization(model, (inputs, targets), loss=torch.nn.functional.cross_entropy)
        print(found)  # a function init_weights(model) to paste
        found.apply(model)

    He, Xavier, LeCun or orthogonal by the activation that each weight feeds; the last layers of residual branches are
    scaled by the number of branches; normalizations start at 1, biases at 0. Kept as they are: gates, decays, learned
    scales, weights that start at zero intentionally, frozen and trained weights, and parameters with an unknown role.
    The model is checked before and after, and restored.

    Args:
        model: any module.
        batch: as in :func:`inithealth.check`, and so are the other arguments.

    Raises:
        ValueError, TypeError: as :func:`inithealth.check` does.
        RuntimeError: the model cannot be checked with the initialization, or something could not be restored.
        Exception: an error in the model's code, unchanged.
    """
    if misplaced:
        raise TypeError("initialization takes a model and one batch: pass (inputs, targets) as the batch")
    if unknown:
        raise TypeError(unknown_argument(next(iter(unknown)), "initialization()"))
    chosen, request = settings_of(settings), requested(model, batch, loss, optimizer)
    recording = request.recording()
    before = diagnose(recording, chosen)
    names = Names(model)
    plan = planned(recording, before.causes, _parameters(names), dict(_padding(names)))
    operations = ordered_operations(plan)
    try:
        after = diagnose(request.recording(operations), chosen)
    except NotTried as error:
        raise RuntimeError(f"the model cannot be checked with its new initialization: {error}") from error
    return Initialization(operations, code_of(plan), plan.kept, before, after)


def _parameters(names: Names) -> list[str]:
    """Return the parameters, each by its first name."""
    first = {id(tensor): name for name, tensor in reversed(names.tensors.items()) if isinstance(tensor, nn.Parameter)}
    return list(reversed(first.values()))


def _padding(names: Names) -> Iterator[tuple[str, int]]:
    """Yield the embedding tables that have a row for padding, and its index."""
    for name, module in names.modules.items():
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.padding_idx is not None:
            yield f"{name}.weight".lstrip("."), module.padding_idx
