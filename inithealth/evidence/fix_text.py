"""The text of a fix, and the operations that it consists of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from inithealth.evidence.operation_code import statement, statements
from inithealth.evidence.statements import Run, code, runs
from inithealth.operations import Fill, Initialize, Operation, Scale, ScaleByDepth, SetBias


class Fix(str):
    """The text of a fix, with its operations if the whole text is code for them."""

    operations: tuple[Operation, ...] = ()

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Fix:
        """Return the code of operations. Those that differ in their names only are next to each other, and in loops."""
        lines, ordered = list[str](), list[Operation]()
        for operation, run in _grouped(operations):
            lines.append(run.head + statement(operation))
            ordered += [_for(operation, name) for name in run.names]
        imports = ["import math"] if any(isinstance(operation, ScaleByDepth) for operation in ordered) else []
        return cls._with("\n".join([*imports, *lines]), ordered)

    @classmethod
    def _with(cls, text: str, operations: Iterable[Operation]) -> Fix:
        fix = cls(text)
        fix.operations = _valid(operations)
        return fix


def code_lines(
    operations: Iterable[Operation], root: str = "model", lists: Mapping[str, int] = MappingProxyType({})
) -> list[str]:
    """Return the code of operations, without imports and with the body of a loop on lines of its own.

    Args:
        root: the variable that has the model.
        lists: number of elements by name, for lists over whose ``len`` a loop may run.
    """
    lines = []
    for operation, run in _grouped(operations):
        written = statements(operation, root)
        if run.head:
            lines += [_over_whole_list(run, root, lists), *(f"    {line}" for line in written)]
        else:
            lines += written
    return lines


def _over_whole_list(run: Run, root: str, lists: Mapping[str, int]) -> str:
    """Return the head of a loop; over a whole list by its ``len``, so that it fits lists of other lengths."""
    name, _, rest = run.name.partition(".{i}")
    whole = [f"{name}.{place}{rest}" for place in range(lists.get(name, 0))]
    return f"for i in range(len({code(name, root)})):" if list(run.names) == whole else run.head.rstrip()


def joined(*parts: str) -> Fix:
    """Return the parts that are not empty as lines; with operations if all of them have some."""
    written = [part for part in parts if part]
    found = [part.operations if isinstance(part, Fix) else () for part in written]
    return Fix._with("\n".join(written), [each for part in found for each in part] if all(found) else ())


def operations_of(fix: object) -> tuple[Operation, ...]:
    """Return the operations of a fix; none for plain text."""
    return fix.operations if isinstance(fix, Fix) else ()


# These do not validate their numbers: a weight with NaN has a fix as text, but no operations.


def initialize(
    parameter: str,
    initializer: str,
    *numbers: float,
    nonlinearity: str = "",
    matrix: int | None = None,
    sets_magnitude: bool = False,
) -> Initialize:
    """Return the operation that calls a function of ``torch.nn.init``, given without its underscore."""
    fields: dict[str, Any] = {"initializer": initializer, "nonlinearity": nonlinearity, "matrix": matrix}
    numbers = tuple(float(f"{number:.3g}") for number in numbers)
    return Initialize.model_construct(parameter=parameter, numbers=numbers, sets_magnitude=sets_magnitude, **fields)


def fill(parameter: str, value: float) -> Fill:
    """Return the operation that sets all elements of a parameter to a value."""
    return Fill.model_construct(parameter=parameter, value=float(f"{value:.2g}"))


def set_bias(parameter: str, value: float) -> SetBias:
    """Return the operation that sets all elements of a bias to a value."""
    return SetBias.model_construct(parameter=parameter, value=float(f"{value:.3g}"))


def multiply(parameter: str, factor: float) -> Scale:
    """Return the operation that multiplies a parameter by a factor."""
    return Scale.model_construct(parameter=parameter, factor=float(f"{factor:.2g}"))


def scale_by_depth(parameter: str, branches: int, *, paired: bool, inverse: bool = False) -> ScaleByDepth:
    """Return the operation that divides a parameter by the square root of the number of branches."""
    return ScaleByDepth.model_construct(parameter=parameter, branches=branches, paired=paired, inverse=inverse)


def _grouped(operations: Iterable[Operation]) -> Iterator[tuple[Operation, Run]]:
    """Yield the operations that differ in their names only in runs, each with the name that stands for the run."""
    alike: dict[Operation, list[Operation]] = {}
    for operation in operations:
        alike.setdefault(_for(operation, ""), []).append(operation)
    for operation, group in alike.items():
        for run in runs([each.parameter for each in group]):
            yield _for(operation, run.name), run


def _for(operation: Operation, parameter: str) -> Operation:
    return operation.model_copy(update={"parameter": parameter})


def _valid(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the operations; none if a number in one of them is not valid."""
    try:
        return tuple(type(each).model_validate(each.model_dump()) for each in operations)
    except ValidationError:
        return ()
