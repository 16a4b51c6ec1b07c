"""``Report.apply``: runs the fixes of a report on a model. Only operations run, never the text of a fix."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from inithealth.findings import Report
from inithealth.operations import Freeze, Operation
from inithealth.record.sandbox.execution import Names, execute
from inithealth.report.planned_fixes import planned_fixes

__tracebackhide__ = True  # pytest shows the line that calls `apply`, not these


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
    plans = planned_fixes(report)
    operations = [operation for plan in plans for operation in plan.operations]
    _refuse_other_shapes(report, model, operations)
    execute(model, operations)
    return tuple(line for plan in plans for line in plan.lines)


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
