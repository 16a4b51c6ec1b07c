"""Which parameters a forward pass writes, and which channels of its input do not vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth.record.live.forward_writes import ForwardWrites
from inithealth.recording import ForwardWrite, Recording
from inithealth.sessions.oneshot import record


def copied(parameter: nn.Parameter, values: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values)


def through_data(parameter: nn.Parameter, values: Tensor) -> None:
    parameter.data.copy_(values)


def swapped(parameter: nn.Parameter, values: Tensor) -> None:
    parameter.data = values.detach()


WAYS = [copied, through_data, swapped]


class ActNorm(nn.Module):
    """Standardizes each channel of its first batch."""

    def __init__(self, channels: int, epsilon: float = 0.0, write: Callable[..., None] = copied) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.epsilon, self.write, self.started = epsilon, write, False

    def forward(self, x: Tensor) -> Tensor:
        others = [dim for dim in range(x.ndim) if dim != 1]
        if not self.started:
            self.started = True
            scale = 1 / (x.std(others) + self.epsilon)
            self.write(self.scale, scale)
            self.write(self.shift, -x.mean(others) * scale)
        shape = [-1, *[1] * (x.ndim - 2)]
        return x * self.scale.view(shape) + self.shift.view(shape)


def normed(*middle: nn.Module, epsilon: float = 0.0, write: Callable[..., None] = copied) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), *middle, ActNorm(16, epsilon, write), nn.Linear(16, 4))


def batch() -> Tensor:
    return torch.randn(32, 8, generator=torch.Generator().manual_seed(0))


def recorded(model: nn.Module, x: Tensor | None = None) -> Recording:
    return record(model, batch() if x is None else x, loss=lambda output: output.square().mean())


@pytest.mark.parametrize("write", WAYS)
def test_every_way_to_write_a_parameter_is_found(write: Callable[..., None]) -> None:
    model = normed(write=write)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert set(recorded(model).forward_writes) == {"1.scale", "1.shift"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model[1].started


def test_a_forward_pass_that_writes_nothing() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    assert recorded(model).forward_writes == {}
    model[0].weight.data[0, 0] = float("nan")  # it differs from itself
    assert recorded(model).forward_writes == {}


@pytest.mark.parametrize(
    ("shape", "axis"), [((32, 8), 1), ((4, 8, 6), 1), ((4, 8, 3, 3), 1), ((4, 6, 8), 2), ((8, 8, 8), 1)]
)
def test_channels_that_do_not_vary(shape: tuple[int, ...], axis: int) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for place in (1, 3, 4, 6):
        x.select(axis, place).fill_(0.7)
    found = compared(x)
    assert (found.channels, found.constant, found.constants) == (8, (1, 3, 4), 4)


@pytest.mark.parametrize("shape", [(32, 9), (8,), (1, 8)])
def test_an_input_without_a_channel_for_each_element_shows_none(shape: tuple[int, ...]) -> None:
    found = compared(torch.ones(shape))
    assert (found.channels, found.constant, found.constants, found.broken_input) == (0, (), 0, False)


def compared(x: Tensor, values: Tensor | None = None) -> ForwardWrite:
    """What is found if a module writes its weight of eight elements, given this input."""
    module = nn.LayerNorm(8)
    writes = ForwardWrites(dict(module.named_parameters()), exact=True)
    writes.remember()
    module.weight.data.copy_(torch.arange(1.0, 9.0) if values is None else values)
    writes.note_input("", module, x)
    writes.compare(None)
    assert set(writes.found) == {"weight"}
    return writes.found["weight"]


def test_the_contrast_is_with_the_channels_that_vary() -> None:
    x = batch()
    x[:, 3] = 1.0
    factors = torch.tensor([1.0, 2.0, 3.0, 1000.0, 2.0, 2.0, 2.0, 2.0])
    assert compared(x, factors).contrast == pytest.approx(500.0)
    assert compared(batch(), factors).contrast == pytest.approx(500.0)
    assert compared(torch.ones(32, 8), factors).contrast == pytest.approx(1000.0)  # none varies
    assert compared(x, torch.zeros(8)).contrast is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_input_that_is_not_finite(value: float) -> None:
    x = batch()
    x[:, 2] = value
    found = compared(x)
    assert (found.broken_input, found.constants) == (True, 0)


def test_an_input_whose_squares_overflow() -> None:
    x = batch()
    assert not compared(x * 1e15).broken_input
    assert compared(x * 1e20).broken_input


def test_values_that_are_not_finite_afterwards_are_counted() -> None:
    values = torch.ones(8)
    assert compared(batch(), values * 2).broken == 0
    values[2:4] = float("inf")
    found = compared(batch(), values)
    assert (found.broken, found.non_finite) == (2, 0)


def test_values_that_were_not_finite_before() -> None:
    model = normed()
    model[1].scale.data[3] = float("nan")
    found = recorded(model).forward_writes
    assert (found["1.scale"].non_finite, found["1.shift"].non_finite) == (1, 0)


class Constant(nn.Module):
    """Makes a channel constant."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :-1], torch.ones_like(x[:, :1])], 1)


@pytest.mark.parametrize(
    ("middle", "source"),
    [((Constant(),), "layers"), ((nn.ReLU(),), "dead"), ((nn.ReLU(), nn.Unflatten(1, (16, 1)), nn.Flatten()), "dead")],
)
def test_what_computes_the_channels(middle: tuple[nn.Module, ...], source: str) -> None:
    model = normed(*middle, epsilon=1e-6)
    model[0].bias.data[0] = -9.0
    found = recorded(model).forward_writes[f"{len(middle) + 1}.scale"]
    assert (found.constants, found.source) == (1, source)


def test_the_batch_itself_is_no_layer() -> None:
    x = batch()
    x[:, 0] = 1.0
    model = nn.Sequential(ActNorm(8, 1e-6), nn.Linear(8, 4))
    found = recorded(model, x).forward_writes["0.scale"]
    assert (found.constant, found.source) == ((0,), "input")


class Logarithmic(nn.Module):
    """Its parameter is the logarithm of the factor."""

    def __init__(self) -> None:
        super().__init__()
        self.log, self.started = nn.Parameter(torch.zeros(8)), False

    def forward(self, x: Tensor) -> Tensor:
        if not self.started:
            self.started = True
            copied(self.log, -(x.std(0) + 1e-6).log())
        return x * self.log.exp()


def test_the_factor_computed_from_a_parameter_counts() -> None:
    x = batch()
    x[:, 5] = 0.0
    found = recorded(nn.Sequential(Logarithmic(), nn.Linear(8, 4)), x).forward_writes["0.log"]
    assert found.contrast == pytest.approx(1e6, rel=0.3)


@pytest.mark.parametrize("write", WAYS)
def test_a_watched_training_finds_them_in_its_first_step(write: Callable[..., None]) -> None:
    model = normed(Constant(), epsilon=1e-6, write=write)
    twin = normed(Constant(), epsilon=1e-6, write=write)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with inithealth.watch(model, optimizer=optimizer, verbose=False) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(batch()).square().mean()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    found = monitor.recording.forward_writes
    assert set(found) == {"2.scale", "2.shift"}
    assert found["2.scale"].constants == (1 if write is not through_data else 0)  # only the version is compared there
    assert found["2.scale"].contrast is not None
    assert found["2.scale"].contrast > 1e5
    trained(twin)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), twin.parameters(), strict=True))


def trained(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        model(batch()).square().mean().backward()
        optimizer.step()


def test_a_teacher_that_follows_in_the_forward_pass_is_written_and_healthy() -> None:
    class Momentum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student, self.teacher = nn.Linear(8, 4), nn.Linear(8, 4).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            copied(self.teacher.weight, 0.9 * self.teacher.weight + 0.1 * self.student.weight)
            return F.mse_loss(self.student(x), self.teacher(x), reduction="none")

    torch.manual_seed(0)
    model = Momentum()
    assert set(recorded(model).forward_writes) == {"teacher.weight"}
    report = inithealth.check(model, batch(), loss=lambda output: output.mean())
    assert report.causes == ()


def test_a_parameter_without_values_is_passed_over() -> None:
    odd: dict[str, Any] = {"meta": nn.Parameter(torch.empty(3, device="meta")), "lazy": nn.LazyLinear(3).weight}
    writes = ForwardWrites({**odd, "half": nn.Parameter(torch.ones(3, dtype=torch.bfloat16))}, exact=True)
    writes.remember()
    writes.compare(None)
    assert writes.found == {}
