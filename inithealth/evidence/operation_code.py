"""Operations as Python statements, which run unchanged with ``model`` and ``torch.nn as nn`` defined."""

from __future__ import annotations

from collections.abc import Callable

from inithealth.evidence.statements import assignment, code
from inithealth.operations import (
    Fill,
    Freeze,
    Initialize,
    Operation,
    Scale,
    ScaleByDepth,
    SetBias,
    StartTimeSteps,
    magnitude,
    parametrized,
)


def statement(operation: Operation, root: str = "model") -> str:
    """Return the Python code of an operation in one line; ``root`` is the variable that has the model."""
    return "; ".join(statements(operation, root))


def statements(operation: Operation, root: str = "model") -> tuple[str, ...]:
    """Return the Python statements of an operation, in order; ``root`` is the variable that has the model."""
    name = code(operation.parameter, root)
    match operation:
        case Initialize():
            return _initialization(operation, root)
        case StartTimeSteps():
            drawn = f"dt = {name}.detach().clone().uniform_({operation.low:.3g}, {operation.high:.3g}).exp()"
            return drawn, f"{name}.data.copy_(dt + (-(-dt).expm1()).log())"
        case Fill():
            return (_assigned(operation, root, lambda tensor: f"nn.init.constant_({tensor}, {operation.value:.2g})"),)
        case SetBias():
            return (f"nn.init.constant_({name}, {operation.value:.3g})",)
        case Scale():
            return (f"{name}.data.mul_({operation.factor:.2g})",)
        case ScaleByDepth():
            return (_scaling(operation, root),)
        case Freeze():
            return (f"{name}.requires_grad_(False)",)


def _initialization(operation: Initialize, root: str) -> tuple[str, ...]:
    def drawn(tensor: str) -> str:
        if operation.matrix is not None:
            tensor = f"{tensor}.data[{operation.matrix}]"
        if operation.initializer == "eye":
            rows = int(operation.numbers[0])
            return f"nn.init.eye_({tensor}.data.view({rows}, {rows + 1}))"
        return f"nn.init.{operation.initializer}_({', '.join([tensor, *_arguments(operation)])})"

    written = _assigned(operation, root, drawn)
    if not operation.sets_magnitude or parametrized(operation.parameter) is not None:
        return (written,)
    lengths, size = code(operation.parameter, root), code(magnitude(operation.parameter), root)
    return written, f"{size}.data.copy_({lengths}.detach().flatten(1).norm(dim=1).view_as({size}))"


def _arguments(operation: Initialize) -> list[str]:
    numbers = [f"{number:.3g}" for number in operation.numbers]
    if operation.initializer == "normal" and len(numbers) == 1:
        return [f"std={numbers[0]}"]
    if operation.initializer == "kaiming_normal":
        return [f'nonlinearity="{operation.nonlinearity}"']
    if operation.nonlinearity:
        return [f'gain=nn.init.calculate_gain("{operation.nonlinearity}")']
    return numbers


def _assigned(operation: Operation, root: str, call: Callable[[str], str]) -> str:
    """Return a call on a tensor. A parametrized weight is assigned, which sets the parameters that it consists of."""
    whole = _whole(operation)
    if whole is None:
        return call(code(operation.parameter, root))
    return assignment(whole, call(f"{code(whole, root)}.detach().clone()"), root)


def _scaling(operation: ScaleByDepth, root: str) -> str:
    count = f"2 * {operation.branches // 2}" if operation.paired else operation.branches
    change = "*" if operation.inverse else "/"
    divisor, whole = f"math.sqrt({count})", _whole(operation)
    if whole is None:
        return f"{code(operation.parameter, root)}.data {change}= {divisor}"
    return assignment(whole, f"{code(whole, root)}.detach() {change} {divisor}", root)


def _whole(operation: Operation) -> str | None:
    """Return the name of the parametrized weight that a parameter belongs to."""
    found = parametrized(operation.parameter)
    return None if found is None else ".".join(filter(None, found))
