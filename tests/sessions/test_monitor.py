"""``watch`` in common training loops: which steps are measured and counted, and what is reported."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer
from torch.utils.tensorboard import SummaryWriter

import inithealth
from inithealth import Monitor, Report, Settings, Severity

INPUTS = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(32) % 4


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def zero_head() -> nn.Sequential:
    """Return a healthy network: the body's gradient is exactly zero only at step 0."""
    net = perceptron()
    nn.init.zeros_(net[2].weight)
    return net


def never_receiving() -> nn.Sequential:
    """Return a network of zeros without a ReLU, which would be dead immediately: only later steps show the fault."""
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def layer_hooks(model: nn.Module) -> int:
    """Return the number of hooks on submodules, which take time."""
    return hooks(model) - len(model._forward_hooks) - len(model._forward_pre_hooks)


def codes(report: Report, severity: str = "error") -> list[str]:
    return [cause.code for cause in report.causes if cause.severity.value == severity]


def train(
    model: nn.Module,
    steps: int = 6,
    *,
    optimizer: Optimizer | None = None,
    before_step: Callable[[int], Any] = lambda index: None,
    batch: Callable[[int], Tensor] = lambda index: INPUTS,
    **options: Any,
) -> Monitor:
    """Run the loop of the README, and check that no hook is left."""
    optimizer = optimizer or SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer, **options) as monitor:
        for index in range(steps):
            before_step(index)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(batch(index)), TARGETS)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    assert hooks(model) == 0
    return monitor


# --- measured steps ---


@pytest.mark.parametrize(
    ("settings", "watched"),
    [
        (Settings(), list(range(10))),
        (Settings(until=2), [0, 1, 2]),
        (Settings(schedule="every", until=None), list(range(12))),
        (Settings(schedule=4), [0, 4, 8]),
    ],
)
def test_only_watched_steps_are_hooked_and_recorded(settings: Settings, watched: list[int]) -> None:
    model, hooked = perceptron(), []
    monitor = train(model, 12, settings=settings, before_step=lambda index: hooked.append(layer_hooks(model)))
    assert [index for index, count in enumerate(hooked) if count] == watched
    assert len(set(hooked) - {0}) == 1  # the same hooks each time: they do not accumulate
    assert [step.index for step in monitor.recording.steps] == watched


def test_the_measurements_are_those_of_the_step() -> None:
    model = perceptron()
    with torch.no_grad():
        hidden = model[0](INPUTS)
        loss = F.cross_entropy(model(INPUTS), TARGETS)
    monitor = train(model, 2)
    first, second = monitor.recording.steps
    assert first.loss == pytest.approx(float(loss))
    [output] = [m.output for m in first.layers if m.layer == "0"]
    assert output is not None
    assert output.rms == pytest.approx(float(hidden.square().mean().sqrt()), rel=1e-5)
    assert second.loss is not None
    assert second.loss < first.loss
    assert monitor.index == 2


def test_a_loss_as_a_number_and_no_loss() -> None:
    model = perceptron()
    with inithealth.watch(model) as monitor:
        F.cross_entropy(model(INPUTS), TARGETS).backward()
        monitor.step(1.25)
        F.cross_entropy(model(INPUTS), TARGETS).backward()
        monitor.step()
    assert [step.loss for step in monitor.recording.steps] == [1.25, None]


def test_memory_does_not_grow_with_the_run() -> None:
    monitor = train(perceptron(), 100, settings=Settings(schedule="every", until=None))
    kept = [step.index for step in monitor.recording.steps]
    assert kept == [*range(10), *range(36, 100)]  # the first ones, and the last 64


def test_no_tensor_of_the_training_is_kept() -> None:
    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    model, counts = perceptron(), []
    monitor = train(model, 8, before_step=lambda index: counts.append(alive()))
    assert max(counts[3:]) == counts[3]
    assert len(monitor.recording.steps) == 8


def test_a_report_before_any_step_judges_nothing() -> None:
    with inithealth.watch(perceptron()) as monitor:
        assert codes(monitor.report) == []
        assert codes(monitor.report, "warning") == ["IH409"]  # nothing recorded, which must not look like a pass
        assert monitor.report.measurements == ()


# --- probation: settled by the run's own steps ---


def test_a_zero_head_receives_gradient_within_the_run() -> None:
    monitor = train(zero_head())
    assert codes(monitor.report) == []
    trial = monitor.recording.probation
    assert trial is None or (trial.settled and trial.asleep == ())


def test_a_zero_network_is_an_error_after_four_steps_not_before() -> None:
    early = train(never_receiving(), 3)
    assert codes(early.report) == []
    assert codes(early.report, "warning") == ["IH103"]
    assert codes(train(never_receiving(), 5).report) == ["IH103"]


@pytest.mark.parametrize("settings", [Settings(schedule=20), Settings(until=0)], ids=["every 20th", "step 0 only"])
def test_probation_ends_on_steps_that_are_not_watched_too(settings: Settings) -> None:
    assert codes(train(zero_head(), 8, settings=settings).report) == []
    assert codes(train(zero_head(), 8, settings=settings).report, "info") == []
    assert codes(train(never_receiving(), 8, settings=settings).report) == ["IH103"]


def test_steps_that_change_nothing_do_not_count() -> None:
    model = never_receiving()
    monitor = train(model, 8, optimizer=SGD(model.parameters(), lr=0.0))
    assert codes(monitor.report) == []
    assert monitor.recording.probation is not None
    assert not monitor.recording.probation.settled


def with_scaler(model: nn.Module, scale: float, steps: int, factor: float = 1.0) -> Monitor:
    optimizer, scaler = SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=scale)
    with inithealth.watch(model, optimizer=optimizer, scaler=scaler) as monitor:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(INPUTS), TARGETS) * factor
            scaler.scale(loss).backward()
            monitor.step(loss)
            scaler.step(optimizer)
            scaler.update()
    return monitor


def test_the_loss_scale_is_removed_from_the_gradients() -> None:
    scaled, plain = with_scaler(perceptron(), 2.0**16, 1).recording.steps[0], train(perceptron(), 1).recording.steps[0]
    assert scaled.global_gradient_norm == pytest.approx(plain.global_gradient_norm)
    for one, other in zip(scaled.layers, plain.layers, strict=True):
        assert one.weight_gradient == pytest.approx(other.weight_gradient)
        assert one.gradient is not None
        assert other.gradient is not None
        assert one.gradient.rms == pytest.approx(other.gradient.rms)


def test_steps_skipped_by_the_scaler_do_not_count_and_raise_no_alarm() -> None:
    # float32 overflows at 2^128; the scaler halves its scale at every step that overflows.
    monitor = with_scaler(zero_head(), 2.0**127, steps=4, factor=2.0**10)
    assert codes(monitor.report) == []
    assert monitor.recording.steps == ()
    assert monitor.index == 0
    longer = with_scaler(never_receiving(), 2.0**127, steps=20, factor=2.0**10)
    assert codes(longer.report) == ["IH103"]
    assert longer.recording.steps[0].index == 0
    assert longer.index < 16


# --- other loops ---


def test_gradient_accumulation_is_one_step_with_all_its_batches() -> None:
    model = perceptron()
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            for part in range(4):
                loss = F.cross_entropy(model(INPUTS[part::4]), TARGETS[part::4])
                (loss / 4).backward()
            monitor.step(loss)
            optimizer.step()
    assert monitor.index == 3
    assert codes(monitor.report) == []
    first, whole = monitor.recording.steps[0], train(perceptron(), 1).recording.steps[0]
    assert first.global_gradient_norm == pytest.approx(whole.global_gradient_norm)
    assert [m.output.numel for m in first.layers if m.output] == [m.output.numel for m in whole.layers if m.output]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_forward_pass_without_gradients_is_not_part_of_the_training(mode: str) -> None:
    """An evaluation before each step, on other data, is not judged."""
    model = perceptron()

    def evaluate(index: int) -> None:
        model.train(mode == "train")
        with torch.no_grad():
            model(INPUTS[:5] * 1000)
        model.train()

    monitor, plain = train(model, before_step=evaluate), train(perceptron())
    assert monitor.report.findings == ()
    assert monitor.recording.steps == plain.recording.steps


def test_several_optimizers_in_one_loop() -> None:
    model = perceptron()
    both = [Adam(model[0].parameters(), lr=1e-3), SGD(model[2].parameters(), lr=0.1)]
    with inithealth.watch(model, optimizer=both) as monitor:
        for _ in range(6):
            loss = F.cross_entropy(model(INPUTS), TARGETS)
            loss.backward()
            monitor.step(loss)
            for optimizer in both:
                optimizer.step()
                optimizer.zero_grad()
    assert codes(monitor.report) == []
    assert "optimizer: Adam(lr=0.001), SGD(lr=0.1)" in monitor.report.notes


class Parts(nn.Module):
    """A model that is called by its submodules: ``model(x)`` itself never runs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder = nn.Linear(8, 16), nn.Linear(16, 4)
        for parameter in self.encoder.parameters():
            nn.init.zeros_(parameter)


def test_a_model_never_called_as_a_whole_is_judged_by_its_loss() -> None:
    model = Parts()
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(6):
            loss = F.cross_entropy(model.decoder(model.encoder(INPUTS).relu()), TARGETS)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            optimizer.zero_grad()
    assert codes(monitor.report) == ["IH103"]


def test_the_graph_of_a_model_never_called_as_a_whole_is_read_by_observe() -> None:
    model = Parts()
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(6):
            loss = F.cross_entropy(model.decoder(model.encoder(INPUTS).relu()), TARGETS)
            monitor.observe(loss)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            optimizer.zero_grad()
    assert [layer.name for layer in monitor.report.layers] == ["encoder", "decoder"]
    assert codes(monitor.report)


class DetachedBody(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 12)), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.body(x).detach()))


def test_a_detached_body_is_found() -> None:
    report = train(DetachedBody()).report
    assert codes(report) == ["IH304"]
    assert set(report.causes[0].layers) == {"body.0", "body.2"}


class WithUnusedHead(nn.Module):
    """As a variational autoencoder: draws noise, reads joined inputs, and calls a layer that the loss does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.unused = nn.Linear(16, 12), nn.Linear(12, 4), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        hidden = F.relu(self.body(torch.cat([x, x * x], 1)))
        output: Tensor = self.head(hidden * torch.randn_like(hidden))
        return output


def test_constants_that_no_unreached_layer_can_have_computed_are_no_evidence_of_a_detached_one() -> None:
    (found,) = train(WithUnusedHead()).report.causes
    assert (found.code, found.severity, found.layers) == ("IH304", Severity.INFO, ("unused",))


@pytest.mark.parametrize("build", [perceptron, DetachedBody, never_receiving])
def test_a_compiled_model_gets_the_same_verdict(build: Callable[[], nn.Module]) -> None:
    compiled, plain = train(torch.compile(build(), backend="eager")), train(build())
    assert [(c.code, c.layers) for c in compiled.report.causes] == [(c.code, c.layers) for c in plain.report.causes]


# --- errors ---


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
def test_an_error_in_the_loop_leaves_no_hooks(error: BaseException) -> None:
    model = perceptron()

    def loop() -> None:
        with inithealth.watch(model):
            model(INPUTS)
            assert hooks(model) > 0
            raise error

    with pytest.raises(type(error)) as raised:
        loop()
    assert raised.value is error
    assert hooks(model) == 0


def test_nan_in_the_first_batch_is_reported_as_an_input_fault() -> None:
    report = train(perceptron(), batch=lambda index: INPUTS * math.nan).report
    assert codes(report) == ["IH210"]


def test_nan_in_a_later_batch_is_reported_as_an_input_fault() -> None:
    model = perceptron()
    frozen_in_time = SGD(model.parameters(), lr=0.0)  # otherwise the weights are NaN afterwards
    report = train(model, optimizer=frozen_in_time, batch=lambda i: INPUTS * (math.nan if i == 2 else 1)).report
    assert "IH210" in codes(report)
    assert {cause.step for cause in report.causes} == {2}


def test_a_step_that_cannot_be_measured_is_reported_and_the_loop_continues(caplog: pytest.LogCaptureFixture) -> None:
    model = perceptron()
    with inithealth.watch(model) as monitor:
        F.cross_entropy(model(INPUTS), TARGETS).backward()
        monitor.step("no number")
    assert "step 0 could not be measured" in caplog.text
    assert any(line.startswith("step 0: ") for line in monitor.report.not_measured)


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        (lambda: print, TypeError, "must be a torch.nn.Module"),
        (lambda: nn.ReLU(), ValueError, "has no parameters"),
        (lambda: perceptron().requires_grad_(False), ValueError, "every parameter is frozen"),
        (lambda: nn.LazyLinear(4), ValueError, "run one batch first"),
        (lambda: perceptron().to("meta"), ValueError, "meta device"),
    ],
)
def test_models_that_cannot_be_watched_are_rejected_immediately(
    model: Callable[[], Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        inithealth.watch(model())


def test_misspelled_settings_are_rejected_immediately() -> None:
    with pytest.raises(ValueError, match="unknown rule 'dead-unit'; did you mean 'dead-units'"):
        inithealth.watch(perceptron(), settings=Settings(ignore="dead-unit"))


# --- TensorBoard ---


def test_a_summary_writer_gets_the_standard_set_and_stays_open(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        monitor = train(never_receiving(), writer=writer)
        writer.add_scalar("still", 1.0)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"zz_init_health/alerts" in written
    assert b"IH103" in written
    assert b"still" in written
    assert codes(monitor.report) == ["IH103"]


def test_a_failing_writer_does_not_end_the_training(caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def _get_file_writer(self) -> Any:
            raise OSError("no space left on device")

    assert codes(train(perceptron(), writer=Full()).report) == []
    assert "no space left on device" in caplog.text
    assert "the training continues" in caplog.text


def test_the_update_of_a_step_is_known_at_the_next_one() -> None:
    monitor = train(perceptron(), 5, settings=Settings(schedule="every", until=None))
    *watched, last = monitor.recording.steps
    assert last.updates == {}
    for step in watched:
        assert {update.rate for update in step.updates.values()} == {0.1}
        assert all(0.0 < update.change < update.weight and update.unmoved < 0.5 for update in step.updates.values())


@pytest.mark.parametrize("unwatched", [15, 34])
def test_a_loss_that_breaks_on_an_unwatched_step_is_localized_at_the_next(unwatched: int) -> None:
    model = perceptron()
    first = next(iter(model.parameters()))

    def poison(step: int) -> None:
        if step == unwatched:
            first.data[0, 0] = math.nan

    monitor = train(model, unwatched + 4, before_step=poison)
    (found,) = [cause for cause in monitor.report.causes if cause.severity == Severity.ERROR]
    assert found.code == "IH203"
    assert f"at step {unwatched + 1} (the loss was not finite at step {unwatched})" in found.message
    assert [step.index for step in monitor.recording.steps if step.index >= unwatched] == [unwatched + 1]
