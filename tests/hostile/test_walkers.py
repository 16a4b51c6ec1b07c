"""Batches and outputs of any shape: the training goes on, and what can be read is measured."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import inithealth
from inithealth.record.containers import tensors_in, transferred

INPUTS, TARGETS = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 4


class Lazy(Mapping[str, Any]):
    """Loads its items when they are read; one of them is missing."""

    def __getitem__(self, key: str) -> Any:
        if key == "labels":
            raise FileNotFoundError("the labels are not there")
        return INPUTS

    def __iter__(self) -> Iterator[str]:
        return iter(["labels", "x"])

    def __len__(self) -> int:
        return 2


@dataclass
class Unset:
    y: Tensor = field(init=False)
    x: Tensor = field(default_factory=lambda: INPUTS)

    def __getitem__(self, key: str) -> Tensor:
        return self.x


class Pair(NamedTuple):
    x: Tensor
    rest: Any


def raising(method: str, base: type = object) -> Any:
    """Return an object with a method that raises."""

    def broken(self: Any, *args: Any) -> Any:
        raise RuntimeError(f"{method} does not work")

    member: Any = property(broken) if method == "__class__" else broken
    return type("Odd", (base,), {method: member})()


def endless() -> Mapping[str, Any]:
    class Endless(Lazy):
        def __iter__(self) -> Iterator[str]:
            number = 0
            while True:
                yield "x" if number == 0 else f"{number}"
                number += 1

    return Endless()


def changing() -> dict[str, Any]:
    """Return a mapping that changes while it is read."""

    class Changing(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            self[f"{key}+"] = 1
            return super().__getitem__(key)

    return Changing(x=INPUTS)


def cyclic() -> dict[str, Any]:
    batch: dict[str, Any] = {"x": INPUTS}
    batch["me"] = [batch, (batch, {"again": batch})]
    return batch


def deep(levels: int = 10_000) -> dict[str, Any]:
    nest: Any = INPUTS
    for _ in range(levels):
        nest = [nest]
    return {"x": INPUTS, "nest": nest}


def wide_web(layers: int = 40) -> dict[str, Any]:
    """Return containers with 2 ** 40 paths to one tensor."""
    nest: Any = INPUTS
    for _ in range(layers):
        nest = [nest, nest]
    return {"x": INPUTS, "nest": nest}


class OddKey:
    def __repr__(self) -> str:
        raise RuntimeError("a key without a text")


METHODS = ["__getattr__", "__len__", "__iter__", "__repr__", "__eq__", "__bool__", "__class__", "__hash__"]
BATCHES: dict[str, Callable[[], Any]] = {
    "cycle": cyclic,
    "lazy mapping": Lazy,
    "endless mapping": endless,
    "changing mapping": changing,
    "read-only mapping": lambda: MappingProxyType({"x": INPUTS}),
    "default dict": lambda: defaultdict(list, x=INPUTS),
    "unset field": Unset,
    "10,000 levels": deep,
    "shared containers": wide_web,
    "a million numbers": lambda: {"ids": list(range(10**6)), "x": INPUTS},
    "100,000 keys": lambda: {"x": INPUTS, **dict.fromkeys(map(str, range(10**5)), 0)},
    "a key without text": lambda: {"x": INPUTS, OddKey(): INPUTS},
    "a deque": lambda: {"x": INPUTS, "d": deque([INPUTS])},
    "a generator": lambda: {"x": INPUTS, "g": (each for each in "ab")},
    "a class": lambda: {"x": INPUTS, "c": Unset},
    "a subclass of list": lambda: {"x": INPUTS, "l": raising("__len__", list)},
    "a subclass of dict": lambda: {"x": INPUTS, "d": raising("__iter__", dict)},
    **{f"an object without {method}": lambda method=method: {"x": INPUTS, "o": raising(method)} for method in METHODS},
}


class Indexed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, batch: Any) -> Tensor:
        return self.net(batch["x"])


class Wrapping(Indexed):
    """Puts the output into a container of a batch's kind."""

    def __init__(self, batch: Callable[[], Any]) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, batch: Any) -> Any:
        return Pair(self.net(batch["x"]), self.batch())


def losses(model: nn.Module, batch: Any, read: Callable[[Any], Tensor], monitor: Any = None) -> list[float]:
    optimizer, found = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(read(model(batch)), TARGETS)
        loss.backward()
        if monitor is not None:
            monitor.step(loss)
        optimizer.step()
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("name", BATCHES)
def test_any_batch(name: str) -> None:
    bare, model = losses(Indexed(), BATCHES[name](), lambda output: output), Indexed()
    with inithealth.watch(model, verbose=False) as monitor:
        assert losses(model, BATCHES[name](), lambda output: output, monitor) == bare
    assert len(monitor.recording.steps) == 2
    assert not monitor.report.incomplete
    assert all(measured.output is not None for measured in monitor.report.measurements)


@pytest.mark.parametrize("name", BATCHES)
def test_any_output(name: str) -> None:
    bare, model = losses(Wrapping(BATCHES[name]), {"x": INPUTS}, lambda output: output.x), Wrapping(BATCHES[name])
    with inithealth.watch(model, verbose=False) as monitor:
        assert losses(model, {"x": INPUTS}, lambda output: output.x, monitor) == bare
    assert len(monitor.recording.steps) == 2
    assert not monitor.report.incomplete
    assert all(measured.output is not None for measured in monitor.report.measurements)


@pytest.mark.parametrize("name", [name for name in BATCHES if name not in ("endless mapping", "a generator")])
def test_any_batch_of_a_check(name: str) -> None:
    report = inithealth.check(Indexed(), inithealth.Call(BATCHES[name]()))
    assert report.measurements
    assert not report.incomplete


# --- names and order ---


def test_names_show_the_place() -> None:
    batch = {"a": [INPUTS, (INPUTS,)], "b": Pair(INPUTS, {"c": INPUTS}), 3: Unset()}
    assert [name for name, _ in tensors_in(batch, "batch")] == [
        "batch['a'][0]",
        "batch['a'][1][0]",
        "batch['b'].x",
        "batch['b'].rest['c']",
        "batch[3].x",
    ]


def test_a_cycle_stays_a_cycle_when_a_batch_is_moved() -> None:
    moved = transferred(cyclic(), lambda tensor: tensor + 1)
    assert moved["me"][0] is moved
    assert torch.equal(moved["x"], INPUTS + 1)


def test_containers_keep_their_types() -> None:
    batch = OrderedDict(x=INPUTS, y=defaultdict(list, z=[INPUTS]), p=Pair(INPUTS, (INPUTS, 3)), u=Unset())
    moved = transferred(batch, lambda tensor: tensor + 1)
    assert (type(moved), type(moved["y"]), type(moved["p"]), type(moved["u"])) == (
        OrderedDict,
        defaultdict,
        Pair,
        Unset,
    )
    assert [name for name, _ in tensors_in(moved)] == [name for name, _ in tensors_in(batch)]
    assert all(torch.equal(found, INPUTS + 1) for _, found in tensors_in(moved))
    assert all(found is INPUTS for _, found in tensors_in(batch))


def test_a_long_list_does_not_hide_what_follows() -> None:
    assert [name for name, _ in tensors_in([list(range(10**5)), INPUTS], "b")] == ["b[1]"]
