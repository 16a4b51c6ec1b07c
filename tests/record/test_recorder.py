"""The recording of a pass, compared with the tensors themselves; recording changes nothing."""

from __future__ import annotations

import copy
import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import inithealth
from inithealth.record.recorder import Recorder
from inithealth.recording import Measurement
from tests.record import state
from tests.record.reading import Reading, read, squares
from tests.record.twins import assert_shows, numbers

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(2))


class Seen(nn.Module):
    """Two layers, written with modules or with functions, that store all their tensors."""

    def __init__(self, functional: bool = False) -> None:
        super().__init__()
        self.one, self.two, self.functional = nn.Linear(6, 5), nn.Linear(5, 3), functional
        self.kept: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.kept["one input"] = x
        hidden = F.linear(x, self.one.weight, self.one.bias) if self.functional else self.one(x)
        self.kept["one"] = hidden
        active = hidden.relu()
        self.kept["two input"] = active
        output: Tensor = F.linear(active, self.two.weight, self.two.bias) if self.functional else self.two(active)
        self.kept["two"] = output
        for tensor in self.kept.values():
            if tensor.requires_grad:
                tensor.retain_grad()
        return output


@pytest.mark.parametrize("functional", [False, True])
def test_inputs_outputs_and_gradients_are_those_of_the_tensors(functional: bool) -> None:
    model = Seen(functional)
    reading = read(model, X)
    assert list(reading.measured) == ["one", "two"]
    for name, measured in reading.measured.items():
        assert_shows(measured.input, numbers(model.kept[f"{name} input"]))
        assert_shows(measured.output, numbers(model.kept[name]))
        gradient = model.kept[name].grad
        assert gradient is not None
        assert_shows(measured.gradient, numbers(gradient))
        weight = dict(model.named_parameters())[f"{name}.weight"]
        assert weight.grad is not None
        assert measured.weight_gradient == pytest.approx(math.hypot(*numbers(weight.grad)), rel=1e-5)


def test_the_step_has_the_loss_and_the_norm_of_all_gradients() -> None:
    model = Seen()
    reading = read(model, X)
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = math.hypot(*(value for gradient in found for value in numbers(gradient)))
    assert reading.step.global_gradient_norm == pytest.approx(norm, rel=1e-5)
    assert reading.step.loss == pytest.approx(float(squares(model(X)).detach()), rel=1e-6)
    assert reading.recording.exact


def test_the_networks_inputs_are_measured_and_targets_are_not() -> None:
    model = nn.Linear(6, 6)

    def forward(x: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(model(x), target)

    net = nn.Module()
    net.model, net.forward = model, forward
    inputs = read(net, X, 100 * X, loss=lambda value: value).recording.inputs
    assert list(inputs) == ["batch[0]"]
    assert_shows(inputs["batch[0]"], numbers(X))


def test_the_head_has_the_difference_of_its_input_between_samples() -> None:
    same = torch.ones(8, 6)
    model = Seen()
    for x, wanted in ((same, 0.0), (X, None)):
        measured = read(model, x).measured
        assert measured["two"].input is not None
        assert measured["one"].input is not None
        assert measured["one"].input.between is None
        share = measured["two"].input.between
        assert share is not None
        assert share == pytest.approx(wanted, abs=1e-12) if wanted is not None else 0 < share < 1


# One layer used in several ways: its statistics are those of all calls.
class Repeated(nn.Module):
    def __init__(self, calls: int, functional: bool) -> None:
        super().__init__()
        self.layer, self.head, self.calls, self.functional = nn.Linear(6, 6), nn.Linear(6, 2), calls, functional
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.calls):
            x = F.linear(x, self.layer.weight, self.layer.bias) if self.functional else self.layer(x)
            x.retain_grad()
            self.kept.append(x)
        output: Tensor = self.head(x.tanh())
        return output


@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.parametrize("calls", [2, 5])
def test_a_layer_called_several_times_is_measured_over_all_calls(calls: int, functional: bool) -> None:
    model = Repeated(calls, functional)
    measured = read(model, X).measured["layer"]
    assert_shows(measured.output, [value for tensor in model.kept for value in numbers(tensor)])
    coming = [tensor.grad for tensor in model.kept if tensor.grad is not None]
    assert_shows(measured.gradient, [value for gradient in coming for value in numbers(gradient)])


def test_only_some_calls_of_a_layer_in_a_long_loop_are_measured() -> None:
    measured = read(Repeated(40, functional=False), X).measured["layer"]
    assert measured.output is not None
    assert measured.gradient is not None
    assert measured.output.numel <= 8 * X.numel()
    assert measured.gradient.numel <= 8 * X.numel()


def test_a_shared_module_has_the_statistics_of_its_unshared_version() -> None:
    shared = nn.Linear(6, 6)
    tied = nn.Sequential(shared, nn.Tanh(), shared)
    apart = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    apart.load_state_dict({key: value for name in ("0", "2") for key, value in {
        f"{name}.weight": shared.weight, f"{name}.bias": shared.bias}.items()})  # fmt: skip
    one = read(tied, X)
    two = read(apart, X)
    assert list(one.measured) == ["0"]
    first, second = two.measured["0"].output, two.measured["2"].output
    output = one.measured["0"].output
    assert output is not None
    assert first is not None
    assert second is not None
    assert output.norm == pytest.approx(math.hypot(first.norm, second.norm), rel=1e-5)


IN_PLACE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda y, x: F.relu(y, inplace=True),
    "add": lambda y, x: y.add_(x),
    "scale and shift": lambda y, x: y.mul_(100).add_(5),
    "zero": lambda y, x: y.zero_() + x,
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("exact", [True, False])
def test_an_output_is_measured_before_it_is_changed_in_place(name: str, exact: bool) -> None:
    class Changing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            self.before = y.detach().clone()
            output: Tensor = self.head(IN_PLACE[name](y, x))
            return output

    model = Changing()
    reading = read(model, X, exact=exact)
    assert_shows(reading.measured["layer"].output, numbers(model.before))
    assert not reading.recorder.not_measured


class Blocks(nn.Module):
    """Two blocks, run normally or checkpointed."""

    def __init__(self, reentrant: bool | None, norm: Callable[[int], nn.Module] = lambda width: nn.Identity()) -> None:
        super().__init__()
        self.stem, self.head, self.reentrant = nn.Linear(6, 6), nn.Linear(6, 2), reentrant
        blocks = ((nn.Linear(6, 6), norm(6), nn.ReLU(), nn.Linear(6, 6)) for _ in range(2))
        self.blocks = nn.ModuleList(nn.Sequential(*block) for block in blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x) if self.reentrant is None else checkpoint(block, x, use_reentrant=self.reentrant)
        output: Tensor = self.head(x)
        return output


def plain_twin(model: Blocks) -> Blocks:
    twin = Blocks(None)
    twin.load_state_dict(model.state_dict())
    return twin


def assert_alike(found: dict[str, Measurement], wanted: dict[str, Measurement], *fields: str) -> None:
    assert found.keys() == wanted.keys()
    for name, measurement in wanted.items():
        for field in fields:
            assert getattr(found[name], field) == getattr(measurement, field), (name, field)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_check_handles_checkpoints(reentrant: bool) -> None:
    model = Blocks(reentrant)
    checked, twin = (inithealth.check(each, X, loss=squares) for each in (model, plain_twin(model)))
    assert checked.measurements == twin.measurements
    assert checked.layers == twin.layers
    assert not checked.not_measured


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("exact", [True, False])
def test_a_live_step_measures_checkpointed_layers_once(reentrant: bool, exact: bool) -> None:
    model = Blocks(reentrant)
    found, wanted = (
        {measurement.layer: measurement for measurement in live(each, exact).step.layers}
        for each in (model, plain_twin(model))
    )
    assert_alike(found, wanted, "output", "weight_gradient")
    for name in ("stem", "head", *([] if reentrant else ["blocks.0.0", "blocks.1.3"])):
        assert found[name].gradient == wanted[name].gradient


def live(model: nn.Module, exact: bool = False) -> Reading:
    """Record a step in which nothing is revealed and checkpoints are active."""
    return read(model, X, exact=exact) if not exact else read(model, X.clone().requires_grad_(), exact=True)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_hidden_by_a_checkpoint_are_reported(reentrant: bool) -> None:
    model = Blocks(reentrant)
    with inithealth.watch(model) as monitor:
        loss = squares(model(X))
        loss.backward()
        monitor.step(loss)
    report = monitor.report
    measured = {m.layer: m for m in report.measurements}
    hidden = [name for name in measured if measured[name].gradient is None]
    assert hidden == [] or any("checkpoint" in line for line in report.not_measured)
    assert not {finding.code for finding in report.findings} & {"IH303", "IH304"}


def run(model: nn.Module, x: Tensor, recorder: Recorder | None) -> list[Tensor]:
    """Run a step; return the loss, all gradients and buffers, and the random state."""
    torch.manual_seed(3)
    model.zero_grad()
    if recorder is not None:
        recorder.attach()
    loss = squares(model(x))
    if recorder is not None:
        recorder.observe([loss], {"batch": x})
    loss.backward()
    if recorder is not None:
        recorder.detach()
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    return [loss.detach(), *gradients, *(buffer.clone() for buffer in model.buffers()), torch.get_rng_state()]


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "modules": lambda: (Seen(), X),
    "functions": lambda: (Seen(functional=True), X),
    "in place": lambda: (nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 2)), X),
    "checkpoints": lambda: (Blocks(False), X),
    "reentrant checkpoints": lambda: (Blocks(True), X),
    "checkpoints around a norm": lambda: (Blocks(False, nn.BatchNorm1d), X),
    "dropout": lambda: (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 2)), X),
    "spectral norm": lambda: (nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 6)), nn.Linear(6, 2)), X),
    "attention": lambda: (nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True), X.view(2, 4, 6)),
    "recurrence": lambda: (nn.GRU(6, 4, batch_first=True), X.view(2, 4, 6)),
    "convolutions": lambda: (nn.Sequential(nn.Conv1d(4, 5, 3), nn.BatchNorm1d(5), nn.ReLU(True)), X.view(2, 4, 6)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("exact", [True, False])
def test_recording_changes_no_bit_of_a_step(name: str, exact: bool) -> None:
    model, x = MODELS[name]()
    twin = copy.deepcopy(model)
    plain, recorded = run(twin, x, None), run(model, x, Recorder(model, exact=exact))
    assert len(plain) > 3
    assert all(torch.equal(one, other) for one, other in zip(plain, recorded, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_a_detached_recorder_leaves_nothing_on_the_model(name: str) -> None:
    model, x = MODELS[name]()
    model(x)
    before = {key: value for key, value in state.of_model(model).items() if "hooks" in key}
    recorder = Recorder(model, exact=True)
    recorder.attach()
    recorder.attach()
    assert {key: value for key, value in state.of_model(model).items() if "hooks" in key} != before
    recorder.detach()
    assert {key: value for key, value in state.of_model(model).items() if "hooks" in key} == before
    assert any("_forward_hooks" in key for key in before)


def test_attached_twice_a_call_is_measured_once() -> None:
    recorder = Recorder(Seen(), exact=True)
    recorder.attach()
    recorder.attach()
    measured = read(recorder.model, X, recorder=recorder).measured["one"]
    assert measured.output is not None
    assert measured.output.numel == 8 * 5


def test_an_error_in_a_hook_is_reported_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: Any) -> None:
        raise ZeroDivisionError("mine")

    model = Seen()
    recorder = Recorder(model, exact=True)
    monkeypatch.setattr("inithealth.record.live.readings.exact", failing)
    reading = read(model, X, recorder=recorder)
    assert "one: ZeroDivisionError: mine" in recorder.not_measured
    assert any(line == "one: ZeroDivisionError: mine" for line in reading.recording.not_measured)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_weights_are_described_after_an_error_in_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: Any) -> None:
        raise ZeroDivisionError("mine")

    monkeypatch.setattr("inithealth.record.live.observer.flow_of", failing)
    recording = read(Seen(), X).recording
    assert [layer.name for layer in recording.layers] == ["one", "two"]
    assert not recording.graph
    assert any("ZeroDivisionError" in line for line in recording.not_measured)


def test_each_step_has_its_own_statistics() -> None:
    model = Seen()
    recorder = Recorder(model, exact=True)
    first = read(model, X, recorder=recorder).measured["one"]
    second = read(model, 10 * X, recorder=recorder).measured["one"]
    assert first.input is not None
    assert second.input is not None
    assert second.input.rms == pytest.approx(10 * first.input.rms, rel=1e-5)
    assert second.input.numel == first.input.numel


def test_a_graph_that_changes_between_steps_is_read_again() -> None:
    class Growing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.depth = nn.ModuleList(nn.Linear(6, 6) for _ in range(3)), 1

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers[: self.depth]:
                x = layer(x).tanh()
            return x

    model = Growing()
    recorder = Recorder(model, exact=True)
    for depth in (1, 3, 2):
        model.depth = depth
        measured = read(model, X, recorder=recorder).measured
        seen = [name for name, each in measured.items() if each.output is not None and each.gradient is not None]
        assert seen == [f"layers.{at}" for at in range(depth)]


@pytest.mark.parametrize("layers", [2, 40])
def test_samples_stay_within_their_budget_for_any_number_of_layers(layers: int) -> None:
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(layers)))
    recorder = Recorder(model, exact=False, sample_bytes=2**16)
    x = torch.randn(256, 64)
    for _ in range(2):
        recorder.attach()
        loss = squares(model(x))
        recorder.observe([loss], {"batch": x})
        loss.backward()
        recorder.detach()
        assert 0 < recorder.nbytes <= 2**16
        recorder.step(0, 1.0, {}, {})
        assert recorder.nbytes == 0


def test_sampled_statistics_are_near_the_exact_ones() -> None:
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    x = torch.randn(512, 64)
    exact, sampled = (read(model, x, exact=each) for each in (True, False))
    assert not sampled.recording.exact
    for name, wanted in exact.measured.items():
        found = sampled.measured[name]
        for one, other in ((found.output, wanted.output), (found.gradient, wanted.gradient)):
            assert one is not None
            assert other is not None
            assert (one.numel, one.sampled < one.numel or one.numel < 2**14) == (other.numel, True)
            assert one.rms == pytest.approx(other.rms, rel=0.1)
        assert found.weight_gradient == pytest.approx(wanted.weight_gradient, rel=1e-6)
        assert found.dead_share == pytest.approx(wanted.dead_share, abs=0.1) if wanted.dead_share is not None else True


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("exact", [True, False])
def test_non_finite_values_are_counted_where_they_arise(bad: float, exact: bool) -> None:
    model = Seen()
    with torch.no_grad():
        model.one.bias[2] = bad
    measured = read(model, X, exact=exact).measured
    output = measured["one"].output
    assert output is not None
    assert output.non_finite == 8
    assert math.isfinite(output.rms)
    assert measured["two"].weight_gradient is not None
    assert not math.isfinite(measured["two"].weight_gradient)


class Marked(torch.autograd.Function):
    """A node with a weak reference."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


class Ending(nn.Module):
    """A layer whose output has a marked node."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.weight = nn.Linear(6, 6), nn.Parameter(torch.ones(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = Marked.apply(F.linear(self.body(x), self.weight))
        return output


@pytest.mark.parametrize("backward", [True, False])
def test_no_graph_is_kept_after_it_was_observed(backward: bool) -> None:
    """Also if its backward pass never ran."""
    model = Ending()
    recorder = Recorder(model, exact=False)
    recorder.attach()
    output = model(X)
    loss = squares(output)
    recorder.observe([loss], {"batch": X})
    alive = weakref.ref(output), weakref.ref(output.grad_fn)
    if backward:
        loss.backward()
    recorder.detach()
    del output, loss
    gc.collect()
    assert [reference() for reference in alive] == [None, None]
    assert recorder.layers


def test_the_recording_has_properties_of_the_whole_network() -> None:
    normed = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    assert read(normed, X).recording.normalized
    assert not read(Seen(), X).recording.normalized
    assert read(Seen(), X).recording.model == "Seen"
    assert read(Seen(), X).recording.graph

    class Scaled(nn.Module):
        def __init__(self, start: float) -> None:
            super().__init__()
            self.stem, self.branch, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
            self.scale = nn.Parameter(torch.full((6,), start))

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            output: Tensor = self.head(x + self.scale * self.branch(x))
            return output

    assert read(Scaled(1e-4), X).recording.layer_scale
    assert not read(Scaled(1.0), X).recording.layer_scale


def test_attention_is_measured_although_no_hook_sees_its_output_projection() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            self.output = self.attention(x, x, x)[0]
            return self.output

    for exact in (True, False):
        model = Attending()
        measured = read(model, X.view(2, 4, 6), exact=exact).measured
        assert_shows(measured["attention.out_proj"].output, numbers(model.output))
        assert measured["attention"].output is not None
        assert measured["attention"].output.numel == 8 * 18


def test_a_module_and_a_direct_call_of_its_forward_are_both_measured() -> None:
    """``.forward`` called directly bypasses every hook."""

    class Direct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            self.output: Tensor = self.layer.forward(x)
            return self.output

    model = Direct()
    measured = read(model, X).measured["layer"]
    assert_shows(measured.output, numbers(model.output))
    assert measured.gradient is not None
