"""Runs operations on a model. Names are looked up among its parameters, buffers and modules: nothing is evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

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
from inithealth.record.layers.wrapper_prefixes import strip, unwrapped
from inithealth.record.tensors import is_sharded
from inithealth.suggest import nearest

_OTHER_MODEL = "use the model that was checked, or check this one"
_LAZY = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
_OF_MATRICES = ("xavier_uniform", "kaiming_normal", "orthogonal")


class Names:
    """The parameters, buffers and modules of a model by name, without the prefixes of wrappers."""

    def __init__(self, model: nn.Module) -> None:
        model = unwrapped(model)
        self.modules = {strip(name): module for name, module in model.named_modules()}
        self.tensors = {strip(name): tensor for name, tensor in model.named_buffers(remove_duplicate=False)}
        parameters = model.named_parameters(remove_duplicate=False)
        self.tensors.update({strip(name): parameter for name, parameter in parameters})

    def tensor(self, name: str) -> Tensor:
        """Return a parameter or buffer. Raises ValueError if there is none of that name, or it has no values."""
        if name not in self.tensors:
            near = nearest(name, self.tensors)
            hint = f" (the nearest is {near!r})" if near else ""
            raise ValueError(f"the model has no parameter {name!r}{hint}: {_OTHER_MODEL}")
        tensor = self.tensors[name]
        if isinstance(tensor, _LAZY) or tensor.is_meta:
            raise ValueError(f"{name!r} has no values yet: run one batch first, or move the model from the meta device")
        if is_sharded(tensor):
            raise ValueError(f"{name!r} is sharded: run the fix before fully_shard, on the whole parameter")
        return tensor

    def home(self, name: str) -> tuple[nn.Module, str] | None:
        """Return module and attribute of the parametrized weight of a parameter; None if it is not parametrized."""
        found = parametrized(name)
        if found is None:
            return None
        module, attribute = self.modules.get(found[0]), found[1]
        if module is None or not parametrize.is_parametrized(module, attribute):
            raise ValueError(f"the model has no parametrized weight {'.'.join(filter(None, found))!r}: {_OTHER_MODEL}")
        return module, attribute

    def whole(self, name: str) -> Tensor:
        """Return the tensor that an operation on a parameter changes: a parametrized weight as it is used."""
        home = self.home(name)
        return self.tensor(name) if home is None else getattr(*home).detach()


def execute(model: nn.Module, operations: Iterable[Operation]) -> None:
    """Run operations on a model, in place.

    Raises:
        ValueError: the model has no such parameter, or one of a shape that the operation does not fit. Nothing is
            changed then.
    """
    names, operations = Names(model), list(operations)
    for operation in operations:
        refuse_misfit(names, operation)
    with torch.no_grad():
        for operation in operations:
            _run(names, operation)


def refuse_misfit(names: Names, operation: Operation) -> None:
    """Raise ValueError if an operation cannot run on the model with these names."""
    name = operation.parameter
    if isinstance(operation, Freeze):
        if name not in names.modules:
            names.tensor(name)
        return
    tensor = names.tensor(name) if isinstance(operation, (Scale, SetBias, StartTimeSteps)) else names.whole(name)
    if not tensor.is_floating_point():
        raise ValueError(f"{name!r} has integers: {_OTHER_MODEL}")
    if isinstance(operation, Initialize):
        _refuse_shape(names, operation, tensor)


def _refuse_shape(names: Names, operation: Initialize, tensor: Tensor) -> None:
    name, shape = operation.parameter, tuple(tensor.shape)
    rows = int(operation.numbers[0]) if operation.initializer == "eye" else 0
    misfit = (
        (operation.matrix is not None and (not shape or operation.matrix >= shape[0]))
        or (operation.initializer in _OF_MATRICES and len(shape) < 2 + (operation.matrix is not None))
        or (rows > 0 and (operation.matrix is not None or shape != (rows * (rows + 1),)))
    )
    if misfit:
        raise ValueError(f"{name!r} has the shape {shape}, which {operation.initializer} does not fit: {_OTHER_MODEL}")
    if operation.sets_magnitude and parametrized(name) is None:
        size = names.tensor(magnitude(name))
        if size is tensor or not shape or size.numel() != shape[0]:
            raise ValueError(f"{name!r} is not a direction of weight_norm: {_OTHER_MODEL}")


def _run(names: Names, operation: Operation) -> None:
    name = operation.parameter
    match operation:
        case Initialize():
            _assign(names, name, partial(_initialize, operation))
            if operation.sets_magnitude and parametrized(name) is None:
                size = names.tensor(magnitude(name))
                size.data.copy_(names.tensor(name).detach().flatten(1).norm(dim=1).view_as(size))
        case StartTimeSteps():
            steps = names.tensor(name).detach().clone().uniform_(operation.low, operation.high).exp()
            names.tensor(name).data.copy_(steps + (-(-steps).expm1()).log())
        case Fill():
            _assign(names, name, lambda tensor: nn.init.constant_(tensor, operation.value))
        case SetBias():
            nn.init.constant_(names.tensor(name), operation.value)
        case Scale():
            names.tensor(name).data.mul_(operation.factor)
        case ScaleByDepth():
            root = math.sqrt(operation.branches)
            _assign(names, name, lambda tensor: tensor.data.mul_(root) if operation.inverse else tensor.data.div_(root))
        case Freeze():
            target = names.modules.get(name)
            (names.tensor(name) if target is None else target).requires_grad_(False)


def _initialize(operation: Initialize, tensor: Tensor) -> None:
    numbers, nonlinearity = operation.numbers, operation.nonlinearity
    if operation.matrix is not None:
        tensor = tensor.data[operation.matrix]
    match operation.initializer:
        case "normal":
            nn.init.normal_(tensor, numbers[0] if len(numbers) == 2 else 0.0, numbers[-1])
        case "uniform":
            nn.init.uniform_(tensor, numbers[0], numbers[1])
        case "eye":
            nn.init.eye_(tensor.data.view(int(numbers[0]), int(numbers[0]) + 1))
        case "kaiming_normal" if nonlinearity:
            nn.init.kaiming_normal_(tensor, nonlinearity=nonlinearity)
        case "xavier_uniform":
            nn.init.xavier_uniform_(tensor, gain=nn.init.calculate_gain(nonlinearity) if nonlinearity else 1.0)
        case "orthogonal":
            nn.init.orthogonal_(tensor)
        case "zeros":
            nn.init.zeros_(tensor)
        case "ones":
            nn.init.ones_(tensor)


def _assign(names: Names, name: str, change: Callable[[Tensor], object]) -> None:
    """Change a parameter in place; a parametrized weight is assigned, which sets the parameters that it consists of."""
    home = names.home(name)
    if home is None:
        change(names.tensor(name))
        return
    value = getattr(*home).detach().clone()
    change(value)
    setattr(*home, value)
