"""Objects that a model may hold, and how its forward pass may change them."""

from __future__ import annotations

import array
import collections
import dataclasses
import io
import itertools
import queue
import random
from collections.abc import Callable
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Situation(NamedTuple):
    make: Callable[[], Any]
    change: Callable[[Any], Any]  # of what `make` returns


def _tensor(*shape: int) -> Tensor:
    return torch.arange(float(np.prod(shape))).reshape(shape)


class Slotted:
    __slots__ = ("items", "late", "value")

    def __init__(self) -> None:
        self.value, self.items = 1.0, [torch.zeros(2)]


class Plain:
    """An object with attributes of many kinds."""

    def __init__(self) -> None:
        self.count, self.total, self._inner = 0, torch.zeros(3), {"k": [0]}

    @cached_property
    def cached(self) -> int:
        return 1

    @property
    def inner(self) -> dict[str, list[int]]:
        return self._inner


@dataclasses.dataclass
class Data:
    steps: int = 0
    mean: Tensor = dataclasses.field(default_factory=lambda: torch.zeros(2))


class Named(NamedTuple):
    first: list[int]
    second: Tensor


class Loud(dict):  # type: ignore[type-arg]
    """A dict whose own methods cannot be used to restore it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, (value, "seen"))

    def clear(self) -> None:
        raise RuntimeError("never cleared")


class Countdown:
    """An iterator of the model's own code."""

    def __init__(self) -> None:
        self.left = 9

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> int:
        self.left -= 1
        return self.left


class Marked(Tensor):
    """A subclass of Tensor that intercepts every function."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs or {})


def _free(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(0)


def _freed() -> Tensor:
    tensor = torch.ones(1000)
    _free(tensor)
    return tensor


def _fill(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(4000)
    tensor.fill_(2.0)


def _linked() -> dict[str, Any]:
    loop: dict[str, Any] = {"n": [0]}
    loop["self"] = loop
    return loop


def _deep() -> list[Any]:
    inner: list[Any] = [torch.zeros(1)]
    for _ in range(5000):
        inner = [inner]
    return inner


def _at_the_bottom(nested: list[Any]) -> None:
    while isinstance(nested[0], list):
        nested = nested[0]
    nested[0].add_(1)


TENSORS: dict[str, Situation] = {
    "values": Situation(lambda: _tensor(3), lambda t: t.add_(1)),
    "NaN with a payload": Situation(
        lambda: torch.tensor([0x7FC12345], dtype=torch.int32).view(torch.float32), lambda t: t.zero_()
    ),
    "negative zero": Situation(lambda: torch.tensor([-0.0]), lambda t: t.abs_()),
    "transposed in place": Situation(lambda: _tensor(2, 3), lambda t: t.t_()),
    "square transposed in place": Situation(lambda: _tensor(3, 3), lambda t: t.t_()),
    "enlarged": Situation(lambda: torch.ones(4), lambda t: t.resize_(7)),
    "shrunk": Situation(lambda: torch.ones(4), lambda t: t.resize_(2).zero_()),
    "unsqueezed in place": Situation(lambda: torch.ones(4), lambda t: t.unsqueeze_(0)),
    "other strides": Situation(lambda: _tensor(2, 3), lambda t: t.as_strided_((2, 3), (1, 2))),
    "another dtype": Situation(lambda: torch.ones(4), lambda t: setattr(t, "data", t.double())),
    "integers instead": Situation(lambda: torch.ones(4), lambda t: setattr(t, "data", t.long())),
    "another memory": Situation(lambda: torch.ones(4), lambda t: t.set_(torch.zeros(9))),
    "memory freed": Situation(lambda: torch.ones(1000), _free),
    "memory filled": Situation(_freed, _fill),
    "memory larger": Situation(lambda: torch.ones(4), lambda t: t.untyped_storage().resize_(64)),
    "a view": Situation(lambda: _tensor(4, 4)[1:3, ::2], lambda t: t.mul_(2)),
    "expanded": Situation(lambda: torch.ones(1).expand(5), lambda t: t[:1].zero_()),
    "part of shared memory": Situation(lambda: list(_tensor(6).split(2)), lambda parts: parts[1].zero_()),
    "overlapping views": Situation(
        lambda: (lambda base: (base[:4], base[2:]))(_tensor(6)), lambda pair: (pair[0].add_(1), pair[1].t_())
    ),
    "shared with numpy": Situation(lambda: torch.from_numpy(np.zeros(3)), lambda t: t.numpy().fill(1)),
    "complex": Situation(lambda: torch.zeros(2, dtype=torch.complex64), lambda t: t.add_(1j)),
    "complex half": Situation(lambda: torch.zeros(2, dtype=torch.complex32), lambda t: t.fill_(1)),
    "conjugated": Situation(lambda: torch.tensor([1j]).conj(), lambda t: setattr(t, "data", t.resolve_conj())),
    "float8": Situation(lambda: torch.zeros(3, dtype=torch.float8_e4m3fn), lambda t: t.fill_(1)),
    "bool": Situation(lambda: torch.zeros(3, dtype=torch.bool), lambda t: t.fill_(True)),
    "empty": Situation(lambda: torch.empty(0), lambda t: t.resize_(3)),
    "zero dimensions": Situation(lambda: torch.tensor(1), lambda t: t.add_(1)),
    "sparse values": Situation(lambda: torch.eye(3).to_sparse(), lambda t: t._values().add_(1)),
    "sparse in place": Situation(lambda: torch.eye(3).to_sparse(), lambda t: t.mul_(2)),
    "sparse, more entries": Situation(lambda: torch.eye(3).to_sparse(), lambda t: t.add_(torch.ones(3, 3).to_sparse())),
    "nested": Situation(lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), lambda t: t.mul_(2)),
    "requires_grad": Situation(lambda: torch.ones(3), lambda t: t.requires_grad_(True)),
    "attached to a parameter": Situation(lambda: torch.ones(3), lambda t: t.mul_(nn.Parameter(torch.full((3,), 2.0)))),
    "a hook": Situation(lambda: torch.ones(3, requires_grad=True), lambda t: t.register_hook(lambda gradient: None)),
    "a gradient": Situation(lambda: torch.ones(3, requires_grad=True), lambda t: setattr(t, "grad", torch.ones(3))),
    "an attribute of a tensor": Situation(lambda: torch.ones(3), lambda t: setattr(t, "tag", "new")),
    "a subclass": Situation(lambda: torch.ones(3).as_subclass(Marked), lambda t: t.add_(1)),
    "a lazy buffer": Situation(nn.parameter.UninitializedBuffer, lambda t: t.materialize((3,))),
}

CONTAINERS: dict[str, Situation] = {
    "list": Situation(lambda: [1, 2], lambda x: x.append(3)),
    "tensor in a list": Situation(lambda: [torch.zeros(2)], lambda x: x[0].add_(1)),
    "tensor in a dict in a tuple": Situation(lambda: ({"t": torch.zeros(2)},), lambda x: x[0]["t"].add_(1)),
    "tensor in a deque": Situation(lambda: collections.deque([torch.zeros(2)]), lambda x: x[0].add_(1)),
    "deque with a limit": Situation(lambda: collections.deque([1, 2], maxlen=2), lambda x: x.append(3)),
    "rotated deque": Situation(lambda: collections.deque([1, 2]), lambda x: x.rotate()),
    "nested dict": Situation(lambda: {"k": []}, lambda x: x["k"].append(1)),
    "order of a dict": Situation(lambda: {"a": 1, "b": 2}, lambda x: x.update(a=x.pop("a"))),
    "OrderedDict": Situation(lambda: collections.OrderedDict(a=1), lambda x: x.update(b=2)),
    "order of an OrderedDict": Situation(lambda: collections.OrderedDict(a=1, b=2), lambda x: x.move_to_end("a")),
    "defaultdict": Situation(lambda: collections.defaultdict(list), lambda x: x["new"].append(1)),
    "default factory": Situation(lambda: collections.defaultdict(list), lambda x: setattr(x, "default_factory", None)),
    "Counter": Situation(collections.Counter, lambda x: x.update("ab")),
    "UserDict": Situation(collections.UserDict, lambda x: x.update(a=1)),
    "ChainMap": Situation(lambda: collections.ChainMap({}, {"a": 1}), lambda x: x.update(b=1)),
    "dict with its own methods": Situation(lambda: Loud(a=1), lambda x: x.update(b=2)),
    "set": Situation(lambda: {1}, lambda x: x.add(2)),
    "keys that are tensors": Situation(lambda: {torch.ones(2): 1}, lambda x: x.update({torch.ones(2): 2})),
    "bytearray": Situation(lambda: bytearray(b"ab"), lambda x: x.extend(b"c")),
    "array of the standard library": Situation(lambda: array.array("d", [float("nan")]), lambda x: x.append(1.0)),
    "loop of references": Situation(_linked, lambda x: x["n"].append(1)),
    "queue": Situation(queue.Queue, lambda x: x.put(1)),
    "namespace": Situation(lambda: SimpleNamespace(n=[0]), lambda x: x.n.append(1)),
    "NamedTuple": Situation(lambda: Named([], torch.zeros(2)), lambda x: (x.first.append(1), x.second.add_(1))),
    "arguments of a partial": Situation(lambda: partial(max, [1]), lambda x: x.args[0].append(2)),
    "object of a bound method": Situation(lambda: [].append, lambda x: x(1)),
    "file in memory": Situation(lambda: io.StringIO("ab"), lambda x: (x.seek(2), x.write("c"))),
    "bytes in memory": Situation(lambda: io.BytesIO(b"ab"), lambda x: x.read(1)),
}

ARRAYS: dict[str, Situation] = {
    "numpy": Situation(lambda: np.zeros(2), lambda x: x.fill(1)),
    "numpy, not contiguous": Situation(lambda: np.arange(8.0)[::2], lambda x: x.fill(1)),
    "numpy, another shape": Situation(lambda: np.zeros((2, 3)), lambda x: setattr(x, "shape", (3, 2))),
    "numpy, resized": Situation(lambda: np.zeros(2), lambda x: x.resize(5, refcheck=False)),
    "numpy, another dtype": Situation(lambda: np.zeros(2), lambda x: setattr(x, "dtype", np.dtype("int64"))),
    "numpy of objects": Situation(lambda: np.array([[], {}], dtype=object), lambda x: x[0].append(1)),
    "numpy of records": Situation(
        lambda: np.zeros(2, dtype=[("n", "i4"), ("o", "O")]), lambda x: x.__setitem__(0, (1, "x"))
    ),
}

GENERATORS: dict[str, Situation] = {
    "torch's": Situation(lambda: torch.Generator().manual_seed(1), lambda x: torch.rand(2, generator=x)),
    "Python's": Situation(lambda: random.Random(0), lambda x: x.random()),
    "numpy's": Situation(lambda: np.random.default_rng(0), lambda x: x.random()),
    "numpy's, second half of a word": Situation(
        lambda: np.random.default_rng(0), lambda x: x.integers(0, 9, dtype=np.uint32)
    ),
    "numpy's old one": Situation(lambda: np.random.RandomState(0), lambda x: x.randn()),
    "in a list": Situation(lambda: [random.Random(0)], lambda x: x[0].random()),
}

OBJECTS: dict[str, Situation] = {
    "slots": Situation(Slotted, lambda x: (setattr(x, "value", 2.0), setattr(x, "late", 1), x.items[0].add_(1))),
    "attributes": Situation(Plain, lambda x: (setattr(x, "count", 9), x.total.add_(1), x.inner["k"].append(1))),
    "a deleted attribute": Situation(Plain, lambda x: x.__dict__.pop("count", None)),
    "a cached property": Situation(Plain, lambda x: x.cached),
    "a dataclass": Situation(Data, lambda x: (setattr(x, "steps", x.steps + 1), x.mean.add_(1))),
    "a module in a list": Situation(lambda: [nn.BatchNorm1d(2)], lambda x: x[0](torch.randn(4, 2))),
    "a module in a dict of an object": Situation(
        lambda: SimpleNamespace(d={"m": nn.Linear(2, 2)}), lambda x: x.d["m"].weight.data.zero_()
    ),
    "a distribution": Situation(
        lambda: torch.distributions.Normal(torch.zeros(2), torch.ones(2)), lambda x: x.loc.add_(1)
    ),
    "an optimizer": Situation(
        lambda: torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1),
        lambda x: x.param_groups[0].update(lr=0.5),
    ),
    "an iterator of its own": Situation(Countdown, next),
}

ITERATORS: dict[str, Callable[[], Any]] = {
    "list": lambda: iter([1, 2, 3, 4, 5, 6, 7, 8]),
    "range": lambda: iter(range(99)),
    "count": itertools.count,
    "cycle": lambda: itertools.cycle([1, 2]),
    "zip": lambda: zip(range(50), itertools.count(), strict=False),
    "map over zip": lambda: map(sum, zip(range(50), range(50), strict=True)),
    "dict": lambda: iter(dict.fromkeys(range(50))),
    "enumerate": lambda: enumerate(range(50)),
}
