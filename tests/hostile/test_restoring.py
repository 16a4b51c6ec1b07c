"""Whatever a model changes in its forward pass is as before a check, or is refused before anything runs."""

from __future__ import annotations

import io
import itertools
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import inithealth
from inithealth.record.sandbox.restore import undisturbed
from tests.hostile.described import described
from tests.hostile.situations import ARRAYS, CONTAINERS, GENERATORS, ITERATORS, OBJECTS, TENSORS, Situation

pytestmark = [
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
    pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental"),
    pytest.mark.filterwarnings("ignore:Setting the (strides|shape|dtype) on a NumPy array"),
]
BATCH = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
SITUATIONS = {
    f"{group}: {name}": situation
    for group, situations in {
        "tensor": TENSORS,
        "container": CONTAINERS,
        "array": ARRAYS,
        "generator": GENERATORS,
        "object": OBJECTS,
    }.items()
    for name, situation in situations.items()
}


class Holding(nn.Module):
    """Changes what it holds in each forward pass."""

    def __init__(self, held: Any, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.layer, self.held = nn.Linear(8, 4), held
        self.__dict__["change"] = change

    def forward(self, x: Tensor) -> Tensor:
        self.change(self.held)
        return self.layer(x)


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_a_model_holds_is_restored(name: str) -> None:
    model = Holding(*_of(SITUATIONS[name]))
    before = described(model.held)
    inithealth.check(model, BATCH)
    assert described(model.held) == before
    model.change(model.held)
    assert described(model.held) != before  # otherwise this test could not fail


def _of(situation: Situation) -> tuple[Any, Callable[[Any], Any]]:
    return situation.make(), situation.change


BUFFERS = [name for name in TENSORS if "shared" not in name and "views" not in name and "gradient" not in name]


@pytest.mark.parametrize("name", BUFFERS)
def test_buffers_are_restored(name: str) -> None:
    buffer, change = _of(TENSORS[name])
    model = Holding(None, lambda _: change(buffer))
    model.register_buffer("buffer", buffer)
    before = described(buffer)
    inithealth.check(model, BATCH)
    assert described(buffer) == before
    assert model.buffer is buffer


@pytest.mark.parametrize("name", ITERATORS)
def test_an_iterator_is_not_advanced(name: str) -> None:
    model = Holding(ITERATORS[name](), next)
    held = model.held
    inithealth.check(model, BATCH)
    assert model.held is held
    assert list(itertools.islice(held, 3)) == list(itertools.islice(ITERATORS[name](), 3))


def _numbers() -> Iterator[int]:
    yield from range(9)


NOT_RESTORABLE: dict[str, tuple[Callable[[], Any], str, str]] = {
    "generator": (_numbers, "model.held is a generator", "forward pass"),
    "in a list": (lambda: [0, _numbers()], "model.held[1] is a generator", "remove it"),
    "in a dict": (lambda: {"k": (_numbers(),)}, "model.held['k'][0] is a generator", "remove it"),
    "map over a generator": (lambda: map(abs, _numbers()), "model.held is a map", "generator cannot be copied"),
    "in a set": (lambda: {iter([1])}, "is a list_iterator", "container cannot be changed"),
    "of a loader": (lambda: iter(DataLoader([1, 2])), "model.held is a _SingleProcess", "cannot be copied"),
    "of a reader": (lambda: __import__("csv").reader(["a"]), "model.held is a reader", "cannot be copied"),
}


@pytest.mark.parametrize("name", NOT_RESTORABLE)
def test_what_cannot_be_restored_is_refused_before_anything_runs(name: str) -> None:
    make, place, why = NOT_RESTORABLE[name]
    ran: list[Any] = []
    model = Holding(make(), ran.append).eval()
    model.layer.weight.grad = torch.ones(4, 8)
    before = described(model.layer)
    with pytest.raises(TypeError) as caught:
        inithealth.check(model, BATCH)
    assert place in str(caught.value)
    assert why in str(caught.value)
    assert (ran, model.training) == ([], False)
    assert described(model.layer) == before


def test_a_generator_in_the_batch_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"batch\['numbers'\] is a generator"):
        inithealth.check(nn.Linear(8, 4), inithealth.Call(BATCH, numbers=_numbers()))


class Structural(nn.Module):
    """Has several layers, which the changes below take apart."""

    kinds = ("linear",)
    created = 0
    cache: dict[str, int] = {}  # noqa: RUF012

    def __init__(self, change: Callable[[Structural], Any]) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Linear(6, 4)
        self.first.bias.requires_grad_(False)
        self.last.weight.grad = torch.ones(4, 6)
        self.norm.eval()
        self.__dict__["change"] = change

    def forward(self, x: Tensor) -> Tensor:
        y = self.last(self.norm(self.first(x)))
        self.change(self)
        return y


def _delete(model: nn.Module, name: str) -> None:
    if hasattr(model, name):
        delattr(model, name)


STRUCTURES: dict[str, Callable[[Structural], Any]] = {
    "modes": lambda m: m.eval(),
    "requires_grad": lambda m: m.last.requires_grad_(False),
    "gradients": lambda m: setattr(m.first.weight, "grad", torch.zeros(6, 8)),
    "hooks": lambda m: m.first.register_forward_hook(lambda *_: None),
    "hooks of parameters": lambda m: m.first.weight.register_hook(lambda g: None),
    "a new module": lambda m: m.add_module("late", nn.Linear(2, 2)),
    "a new buffer": lambda m: m.register_buffer("late", torch.zeros(2)),
    "a removed buffer": lambda m: _delete(m.norm, "num_batches_tracked"),
    "a replaced parameter": lambda m: setattr(m.last, "bias", nn.Parameter(torch.zeros(4))),
    "a replaced method": lambda m: m.__dict__.update(extra_repr=lambda: ""),
    "another class": lambda m: setattr(m.last, "__class__", type("Other", (nn.Linear,), {})),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_structure_of_a_model_is_restored(name: str) -> None:
    model = Structural(STRUCTURES[name])
    before = described(model)
    inithealth.check(model, BATCH)
    assert described(model) == before
    model(BATCH)
    assert described(model) != before


def test_class_attributes_are_restored() -> None:
    def change(model: Structural) -> None:
        Structural.created += 1
        Structural.cache["k"] = 1
        Structural.late = 1

    inithealth.check(Structural(change), BATCH)
    assert (Structural.created, Structural.cache, hasattr(Structural, "late")) == (0, {}, False)


class Proxy:
    """Loads what it stands for when it is asked for anything."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"loaded for {name}")


def test_a_proxy_is_not_asked_for_anything() -> None:
    proxy = Proxy()
    inithealth.check(Holding([proxy], lambda held: held.append(1)), BATCH)
    with pytest.raises(RuntimeError, match="loaded"):
        _ = proxy.anything


def test_a_lazy_module_without_parameters_is_lazy_again() -> None:
    model = Holding(nn.LazyBatchNorm1d(affine=False), lambda norm: norm(BATCH))
    model.held.__dict__["odd"] = None
    before = described(model)
    inithealth.check(model, BATCH)
    assert type(model.held) is nn.LazyBatchNorm1d
    assert described(model) == before
    model(BATCH)
    assert type(model.held) is nn.BatchNorm1d


SEEN: list[int] = []


def test_what_the_model_does_not_hold_stays() -> None:
    """Globals, and variables of functions, may belong to others: such as the list of a test."""
    local: list[int] = []
    inithealth.check(Holding(None, lambda _: (SEEN.append(1), local.append(1))), BATCH)
    assert SEEN
    assert local


def test_locks_and_events_stay_as_they_are() -> None:
    lock, event = threading.Lock(), threading.Event()
    inithealth.check(Holding((lock, event), lambda held: (held[0].acquire(False), held[1].set())), BATCH)
    assert lock.locked()
    assert event.is_set()


def test_the_position_of_a_file_is_restored() -> None:
    with open(__file__, encoding="utf-8") as file:
        file.readline()
        place = file.tell()
        inithealth.check(Holding(file, lambda f: f.readline()), BATCH)
        assert file.tell() == place


def test_what_is_written_to_a_file_stays() -> None:
    with tempfile.TemporaryFile("w+") as file:
        inithealth.check(Holding(file, lambda f: f.write("a line\n")), BATCH)
        file.seek(0)
        assert file.readline() == "a line\n"


class Failure(BaseException):
    """Neither an Exception nor an interruption that a test runner handles."""


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), Failure(), GeneratorExit()], ids=repr)
def test_an_error_half_way_through_leaves_nothing(error: BaseException) -> None:
    def change(model: Structural) -> None:
        torch.rand(3), random.random()
        model.eval().norm.running_mean.add_(1)
        model.first.weight.data = torch.zeros(6, 8)
        raise error

    model = Structural(change)
    before, state, python = described(model), torch.get_rng_state(), random.getstate()
    with pytest.raises(type(error)) as caught:
        inithealth.check(model, BATCH)
    assert caught.value is error
    assert described(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python


class Stubborn(random.Random):
    """Cannot be restored in the first attempts."""

    left: list[BaseException]

    def setstate(self, state: Any) -> None:
        if self.left:
            raise self.left.pop()
        super().setstate(state)


def _stubborn(*errors: BaseException) -> tuple[Structural, Stubborn]:
    model = Structural(lambda m: (torch.rand(3), m.eval(), m.odd.random()))
    model.odd = Stubborn(0)
    model.odd.left = list(errors)
    return model, model.odd


def test_a_restorer_that_fails_does_not_stop_the_others() -> None:
    model, _ = _stubborn(ValueError("broken"), ValueError("broken"))
    before, state = described(model.norm), torch.get_rng_state()
    with pytest.raises(RuntimeError, match=r"model\.odd could not be restored after the check: broken"):
        inithealth.check(model, BATCH)
    assert described(model.norm) == before
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)


def test_an_interrupted_restorer_runs_again() -> None:
    model, odd = _stubborn(KeyboardInterrupt())
    before, state = described(model.norm), odd.getstate()
    with pytest.raises(KeyboardInterrupt):
        inithealth.check(model, BATCH)
    assert described(model.norm) == before
    assert odd.getstate() == state


def test_a_failing_restorer_does_not_hide_the_error_of_the_model(caplog: pytest.LogCaptureFixture) -> None:
    def change(held: io.StringIO) -> None:
        held.close()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        inithealth.check(Holding(io.StringIO("a"), change), BATCH)
    assert "model.held could not be restored" in caplog.text


@dataclass
class Pair:
    x: Tensor
    y: Tensor


class Both(NamedTuple):
    x: Tensor
    y: Tensor


class Custom:
    """A batch of the user's own class."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y, self.log = x, y, []


class OnBatch(nn.Module):
    """Changes its batch in place, and notes what it receives."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(50, 8), nn.Linear(8, 4)
        nn.init.zeros_(self.layer.weight)  # a suspect, so that the model runs several times
        self.__dict__["seen"] = seen = []
        self.__dict__["note"] = lambda *tensors: seen.append([t.detach().clone() for t in tensors])

    def forward(self, batch: Any) -> Tensor:
        get = batch.__getitem__ if isinstance(batch, dict) else lambda name: getattr(batch, name)
        x, y = get("x"), get("y")
        self.note(x, y)
        y.add_(1).remainder_(50)
        x.mul_(2)
        if isinstance(batch, dict):
            batch.pop("y"), batch.update(z=1)
        elif isinstance(batch, Custom):
            batch.log.append(1)
            batch.late = x
        return self.layer(x + self.table(y))


BATCHES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "dict": lambda x, y: {"x": x, "y": y},
    "dataclass": Pair,
    "NamedTuple": Both,
    "own class": Custom,
}


@pytest.mark.parametrize("name", BATCHES)
def test_each_pass_gets_a_fresh_batch(name: str) -> None:
    x, y, model = torch.randn(16, 8), torch.arange(16), OnBatch()
    notes: list[list[Tensor]] = []
    model.__dict__["note"] = lambda *tensors: notes.append([t.detach().clone() for t in tensors])
    batch = BATCHES[name](x, y)
    before, values = described(batch), (x.clone(), y.clone())
    inithealth.check(model, inithealth.Call(batch))
    assert described(batch) == before
    assert len(notes) > 1
    assert all(torch.equal(one, other) for note in notes for one, other in zip(note, values, strict=True))


def test_the_targets_and_the_loss_are_restored() -> None:
    class Averaging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(()))

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            target.add_(1)
            loss = (output - target).square().mean()
            self.mean += loss.detach()
            return loss

    x, y, loss = torch.randn(16, 8), torch.randn(16, 4), Averaging()
    before = described((x, y)), described(loss)
    inithealth.check(nn.Linear(8, 4), (x, y), loss=loss)
    assert (described((x, y)), described(loss)) == before


def test_an_input_that_is_its_own_target_stays_one_tensor() -> None:
    same: list[bool] = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        same.append(bool(torch.equal(seen[-1], target)))
        return (output - target).square().mean()

    seen: list[Tensor] = []
    model = Holding(None, lambda _: None)
    model.layer = nn.Linear(8, 8)
    model.layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    inithealth.check(model, (BATCH, BATCH), loss=loss)
    assert all(same)


def test_nothing_is_refused_in_a_snapshot_of_a_model_on_the_meta_device() -> None:
    model = nn.Linear(2, 2, device="meta")
    with undisturbed(model):
        model.weight.data = torch.empty(3, 3, device="meta")
        model.bias.data = torch.empty(5, device="meta")
    assert (model.weight.shape, model.bias.shape) == ((2, 2), (2,))
