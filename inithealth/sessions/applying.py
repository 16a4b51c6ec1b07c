"""``Report.apply``: runs the fixes of a report on a model. Only operations run, never the text of a fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import nn

from inithealth.evidence.fix_text import Fix
from inithealth.findings import Finding, Report, Severity
from inithealth.operations import Freeze, Operation
from inithealth.record.sandbox.execution import Names, execute
from inithealth.report.finding_text import title
from inithealth.report.plain import plain

__tracebackhide__ = True  # pytest shows the line that calls `apply`, not these


class Applied(NamedTuple):
    """What is done for one cause."""

    cause: Finding
    operations: tuple[Operation, ...]  # to run
    reason: str = ""  # why its fix is not applied, or not as a whole

    @property
    def lines(self) -> Iterator[str]:
        """The statements that have the effect of the operations, and the reason."""
        for line in Fix.of(self.operations).splitlines():
            if line != "import math":
                yield plain(f"{title(self.cause)}: {line}")
        if self.reason:
            yield plain(f"{title(self.cause)}: not applied{self.reason}")


def apply(report: Report, model: nn.Module) -> tuple[str, ...]:
    """Run the operations of the causes, errors and warnings, on a model.

    Returns:
        The statements that were run, and for each other cause why its fix was not applied.

    Raises:
        TypeError: `model` is not a module.
        ValueError: a parameter is missing or has another shape. Nothing is changed then.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    plans = _plans(report)
    operations = [operation for plan in plans for operation in plan.operations]
    _refuse_other_shapes(report, model, operations)
    execute(model, operations)
    return tuple(line for plan in plans for line in plan.lines)


def _plans(report: Report) -> list[Applied]:
    """Return what to do for each cause. A parameter is changed for the first cause that names it."""
    tried = any(cause.verification for cause in report.causes)
    found: list[Applied] = []
    changed: dict[str, Finding] = {}
    for cause in report.causes:
        reason = _reason(cause, tried=tried)
        if reason:
            found.append(Applied(cause, (), reason))
            continue
        before = [operation for operation in cause.operations if operation.parameter in changed]
        new = tuple(operation for operation in cause.operations if operation.parameter not in changed)
        found.append(Applied(cause, new, _repeated(before, changed)))
        changed.update({operation.parameter: cause for operation in new})
    return found


def _reason(cause: Finding, *, tried: bool) -> str:
    """Return why the fix of a cause is not applied; "" if it is. Of fixes that were tried, those that clear are."""
    if cause.suppressed is not None:
        return f": suppressed: {cause.suppressed}"
    if cause.severity < Severity.WARNING:
        return ": its severity is info"
    if not cause.operations:
        return f": no change of parameters alone fixes it: {cause.fix}" if cause.fix else ": it has no fix"
    return f": {cause.verification}" if tried and cause.verified != "clears" else ""


def _repeated(operations: Sequence[Operation], changed: dict[str, Finding]) -> str:
    if not operations:
        return ""
    first = operations[0].parameter
    more = f" and {len(operations) - 1} more" if len(operations) > 1 else ""
    return f" to {first}{more}: changed for {title(changed[first])}"


def _refuse_other_shapes(report: Report, model: nn.Module, operations: Sequence[Operation]) -> None:
    """Raise ValueError if a parameter does not have the shape that the report has."""
    names = Names(model)
    checked = [layer for layer in report.layers if not layer.transformed]
    known = [each for layer in checked for each in (layer.weight, layer.bias) if each is not None]
    shapes = {each.name: each.shape for each in known}
    for name in dict.fromkeys(each.parameter for each in operations if not isinstance(each, Freeze)):
        shape = tuple(names.tensor(name).shape)
        if shapes.get(name, shape) != shape:
            raise ValueError(
                f"{name!r} has the shape {shape}, and {shapes[name]} in the report: apply the report to the model that "
                "was checked, or check this one"
            )
