"""Errors of whatever a watched training meets are recorded and reported; what the user interrupts is interrupted."""

from __future__ import annotations

import logging
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

import inithealth
from inithealth import Monitor, Settings
from inithealth.record.failures import Failures
from inithealth.record.live.guarded import Guard
from tests.hostile.faults import INPUTS, TARGETS, flat, hooks_of, network

EVERY = {"schedule": "every"}


def trained(
    model: nn.Module, watch: bool = True, loss_of: Callable[[Tensor], Any] | None = None, **options: Any
) -> tuple[Tensor, Monitor | None]:
    """Return the weights after three steps, and the monitor."""
    optimizer = SGD(model.parameters(), lr=0.1)
    options = {"settings": EVERY, "verbose": False, **options}
    prepare = options.pop("prepare", lambda monitor: None)
    monitor = inithealth.watch(model, optimizer=optimizer, **options).__enter__() if watch else None
    if monitor is not None:
        prepare(monitor)
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(INPUTS), TARGETS)
        loss.backward()
        if monitor is not None:
            monitor.step(loss if loss_of is None else loss_of(loss))
        optimizer.step()
    if monitor is not None:
        monitor.close()
        assert hooks_of(model) == 0
    return flat(model), monitor


def unchanged(build: Callable[[], nn.Module] = network, **options: Any) -> Monitor:
    """Return the monitor of a training that equals the unwatched one."""
    watched, monitor = trained(build(), **options)
    assert torch.equal(watched, trained(build(), watch=False)[0])
    assert monitor is not None
    return monitor


# --- on_alert, logs and writers ---


@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit, MemoryError, RecursionError])
def test_on_alert_raises(error: type[BaseException]) -> None:
    def page(finding: Any) -> None:
        raise error("the pager is down")

    monitor = unchanged(prepare=lambda monitor: setattr(monitor.alerts, "on_alert", page))
    assert any(f"{error.__name__}: the pager is down" in note for note in monitor.report.notes)
    assert not monitor.report.incomplete  # everything was measured


def test_on_alert_is_interrupted() -> None:
    def page(finding: Any) -> None:
        raise KeyboardInterrupt

    model = network()
    with pytest.raises(KeyboardInterrupt):
        trained(model, prepare=lambda monitor: setattr(monitor.alerts, "on_alert", page))
    assert hooks_of(model) == 0


class OddCallable:
    """Raises on every access."""

    def __call__(self, finding: Any) -> None:
        raise OSError("no line")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("nothing is here")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_on_alert_is_an_odd_object() -> None:
    monitor = unchanged(prepare=lambda monitor: setattr(monitor.alerts, "on_alert", OddCallable()))
    assert any("OddCallable: OSError: no line" in note for note in monitor.report.notes)


def test_on_alert_runs_as_in_the_users_code() -> None:
    seen: list[Any] = []

    def page(finding: Any) -> None:
        with torch.device("meta"):
            seen.append((torch.zeros(1).device.type, torch.is_grad_enabled()))

    unchanged(prepare=lambda monitor: setattr(monitor.alerts, "on_alert", page))
    assert seen[0][0] == "meta"


@contextmanager
def handling(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("inithealth")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Refusing(logging.Handler):
    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error("no log")


@pytest.mark.parametrize("error", [OSError, SystemExit])
def test_a_handler_of_the_log_raises(error: type[BaseException]) -> None:
    with handling(Refusing(error)):
        monitor = unchanged(verbose=True)
    assert any("no log" in note for note in monitor.report.notes)


def test_a_filter_of_the_log_raises() -> None:
    def refuses(record: logging.LogRecord) -> bool:
        raise TypeError("no filter")

    logger = logging.getLogger("inithealth")
    logger.addFilter(refuses)
    try:
        monitor = unchanged(verbose=True)
    finally:
        logger.removeFilter(refuses)
    assert any("no filter" in note for note in monitor.report.notes)


class FullDisk:
    def __getattr__(self, name: str) -> Any:
        raise OSError(28, "No space left on device")


def test_a_writer_has_a_full_disk() -> None:
    monitor = unchanged(writer=FullDisk())
    assert any("No space left on device" in note for note in monitor.report.notes)
    assert not monitor.report.incomplete
    assert monitor.report.measurements


def test_a_sink_raises_in_every_method() -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError("the server is gone")

    def prepare(monitor: Monitor) -> None:
        monitor.alerts.sinks.append(Broken())

    assert len(unchanged(prepare=prepare).recording.steps) == 3


# --- losses ---

LOSSES: dict[str, Callable[[Tensor], Any]] = {
    "none": lambda loss: None,
    "a number": lambda loss: 1.5,
    "NaN": lambda loss: float("nan"),
    "a vector": lambda loss: torch.ones(3),
    "an empty tensor": lambda loss: torch.ones(0),
    "a dict": lambda loss: {"loss": loss},
    "a list": lambda loss: [loss, loss],
    "text": lambda loss: "no number",
    "complex": lambda loss: torch.tensor(1j),
    "integer": lambda loss: torch.tensor(3),
    "on the meta device": lambda loss: torch.ones((), device="meta"),
    "another graph": lambda loss: torch.ones((), requires_grad=True) * 2,
}


@pytest.mark.parametrize("schedule", ["every", 2])
@pytest.mark.parametrize("name", LOSSES)
def test_any_loss(name: str, schedule: Any) -> None:
    monitor = unchanged(loss_of=LOSSES[name], settings={"schedule": schedule})
    assert monitor.index == 3
    report = monitor.report
    assert report.incomplete == any("Error" in line for line in report.not_measured)
    assert not report.incomplete or "healthy at" not in report.summary() or not report.ok


# --- modules ---


def unusual(**members: Any) -> Callable[[], nn.Module]:
    """Return a builder of the network with other members in its class and in that of its second layer."""

    def build() -> nn.Module:
        model = network()
        model[3].__class__ = type("Linear", (nn.Linear,), members)
        model.__class__ = type("Net", (nn.Sequential,), members)
        return model

    return build


def refuses(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("not here")


@pytest.mark.parametrize(
    "method", ["__repr__", "extra_repr", "_get_name", "named_buffers", "__len__", "__eq__", "state_dict"]
)
def test_a_module_with_a_method_that_raises(method: str) -> None:
    members = {method: refuses, "__hash__": object.__hash__}
    monitor = unchanged(unusual(**members))
    assert monitor.report.layers


@pytest.mark.parametrize("method", ["named_parameters", "named_modules", "modules"])
def test_a_module_that_cannot_be_listed(method: str) -> None:
    """The model's own optimizer is created first: it reads `parameters`."""
    build = unusual()
    model, bare = build(), build()
    optimizer = SGD(list(model.parameters()), lr=0.1)
    other = SGD(list(bare.parameters()), lr=0.1)
    model.__dict__[method] = refuses
    with inithealth.watch(model, optimizer=optimizer, verbose=False) as monitor:
        for net, steps in ((model, optimizer), (bare, other)):
            F.cross_entropy(net(INPUTS), TARGETS).backward()
            if net is model:
                monitor.step(1.0)
            steps.step()
    assert all(torch.equal(a, b) for a, b in zip(optimizer.param_groups[0]["params"], bare.parameters(), strict=True))
    report = monitor.report
    assert report.incomplete
    assert any("RuntimeError: not here" in line for line in report.not_measured)
    assert "healthy at" not in report.summary()


NAMES = [
    "a b",
    "ünï",
    "\u202e",
    "\ud800",
    "<b>",
    "{}",
    "{0!r}",
    "%s%n",
    "\x1b[31m",
    "class",
    "-",
    "\n",
    "forward ",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_module_with_an_odd_name(name: str) -> None:
    def build() -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential()
        model.add_module(name, nn.Linear(8, 16))
        model.add_module("end", nn.Linear(16, 4))
        return model

    report = unchanged(build, verbose=True).report
    assert not report.incomplete
    assert {layer.name for layer in report.layers} == {name, "end"}
    str(report)


# --- changes while a model is watched ---


def changed_forward(model: nn.Module) -> None:
    model[5].forward = lambda x: F.linear(x, model[5].weight, model[5].bias)


def added_module(model: nn.Module) -> None:
    torch.manual_seed(9)
    model.add_module("6", nn.Linear(4, 4))


def removed_module(model: nn.Module) -> None:
    del model[4]


def replaced_module(model: nn.Module) -> None:
    model[4] = nn.ReLU()


def replaced_parameter(model: nn.Module) -> None:
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def removed_hooks(model: nn.Module) -> None:
    for module in model.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()


def frozen(model: nn.Module) -> None:
    model.requires_grad_(False)[0].weight.requires_grad_(True)


def double_precision(model: nn.Module) -> None:
    model[5].register_forward_pre_hook(lambda module, args: (args[0].double(),))
    model[5].double()


def later_error(model: nn.Module) -> None:
    def refuse(module: nn.Module, args: Any) -> None:
        handle.remove()
        raise ValueError("in the model")

    handle = model[5].register_forward_pre_hook(refuse)


CHANGES = [
    changed_forward, added_module, removed_module, replaced_module, replaced_parameter, removed_hooks, frozen,
    double_precision, later_error,
]  # fmt: skip


def stepped(model: nn.Module, change: Callable[[nn.Module], None], monitor: Monitor | None) -> Tensor:
    for index in range(4):
        if index == 1:
            change(model)
        optimizer = SGD(model.parameters(), lr=0.1)
        optimizer.zero_grad()
        try:
            loss = F.cross_entropy(model(INPUTS), TARGETS)
        except ValueError:
            continue
        loss.backward()
        if monitor is not None:
            monitor.step(loss)
        optimizer.step()
    return torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_model_that_changes_while_it_is_watched(change: Callable[[nn.Module], None]) -> None:
    bare, model = stepped(network(), change, None), network()
    with inithealth.watch(model, settings=EVERY, verbose=False) as monitor:
        assert torch.equal(stepped(model, change, monitor), bare)
    assert len(monitor.recording.steps) >= 3
    assert hooks_of(model) in (0, 1)  # one is that of the change


# --- interruptions ---


def test_an_interruption_in_the_users_code_goes_through() -> None:
    def interrupt(module: nn.Module, args: Any) -> None:
        raise KeyboardInterrupt

    model = network()
    model[5].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt), inithealth.watch(model, verbose=False):
        model(INPUTS)
    assert hooks_of(model) == 1


@pytest.mark.parametrize("error", [TimeoutError, SystemExit])
def test_an_error_of_a_signal_handler_goes_through(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit or the end of a job may arrive while the package runs."""

    def ends(number: int, frame: Any) -> None:
        raise error("the time is over")

    def arrives(self: Any, *args: Any) -> None:
        signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr("inithealth.record.live.readings.Readings.take", arrives)
    before = signal.signal(signal.SIGUSR1, ends)
    model = network()
    try:
        with pytest.raises(error, match="the time is over"), inithealth.watch(model, verbose=False):
            model(INPUTS)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert hooks_of(model) == 0


# --- several models, threads, optimizers ---


def test_two_models_in_two_threads() -> None:
    models = [network(), network()]  # built in turn: they draw from the same random state
    results: list[Any] = []

    def run(model: nn.Module) -> None:
        results.append(trained(model))

    threads = [threading.Thread(target=run, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results[0][0], results[1][0])
    assert [len(monitor.recording.steps) for _, monitor in results] == [3, 3]
    assert not any(monitor.report.incomplete for _, monitor in results)


def test_one_model_watched_twice() -> None:
    model, optimizer = network(), None
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, verbose=False) as one, inithealth.watch(model, verbose=False) as other:
        loss = F.cross_entropy(model(INPUTS), TARGETS)
        loss.backward()
        one.step(loss)
        other.step(loss)
        optimizer.step()
    assert one.report.measurements == other.report.measurements
    assert hooks_of(model) == 0


def test_an_optimizer_whose_step_raises() -> None:
    model = network()
    with inithealth.watch(model, settings=EVERY, verbose=False) as monitor:
        for _ in range(2):
            loss = F.cross_entropy(model(INPUTS), TARGETS)
            loss.backward()
            monitor.step(loss)
            with pytest.raises(RuntimeError, match="no step"):
                raise RuntimeError("no step")
            model.zero_grad()
    assert len(monitor.recording.steps) == 2
    assert not monitor.report.incomplete


@pytest.mark.parametrize("evaluate", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_an_evaluation_first(evaluate: Callable[[], Any]) -> None:
    model, bare = network(), trained(network())[1]
    with inithealth.watch(model, settings=EVERY, verbose=False) as monitor:
        model.eval()
        with evaluate():
            model(INPUTS * 100)
        model.train()
        loss = F.cross_entropy(model(INPUTS), TARGETS)
        loss.backward()
        monitor.step(loss)
    assert bare is not None
    assert monitor.recording.steps[0].layers == bare.recording.steps[0].layers
    assert monitor.recording.layers == bare.recording.layers


def test_a_run_in_which_every_step_fails_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inithealth.record.step_meter.StepMeter.measured", refuses)
    model = network()
    with inithealth.watch(model, settings={"schedule": "every", "until": None}, verbose=False) as monitor:
        for _ in range(150):
            monitor.step(1.0)
    assert monitor.index == 150
    assert len(monitor.report.not_measured) < 120
    assert "not fully measured" in monitor.report.summary() or not monitor.report.ok


def test_an_error_without_a_text() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    guard = Guard(Failures())
    assert guard.run(lambda: (_ for _ in ()).throw(Mute()), what="here", default=3) == 3
    assert guard.failures == {"here": "Mute: its message raised RuntimeError"}


def test_a_long_error_is_cut() -> None:
    guard = Guard(Failures())
    guard.run(refuses, what="here")
    guard.run(lambda: int("x" * 10**6), what="there")
    assert len(guard.failures["there"]) <= 500


def test_a_copy_of_a_guard_starts_without_errors() -> None:
    guard = Guard(Failures(), print)
    guard.run(refuses, what="here")
    assert pickle.loads(pickle.dumps(guard)).failures == {}


@pytest.mark.parametrize("error", [RuntimeError, KeyError])
def test_the_verdict_fails(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise error("no verdict")

    monkeypatch.setattr("inithealth.sessions.verdicts.diagnose", broken)
    report = unchanged().report
    assert report.incomplete
    assert "inithealth: not fully measured at step" in str(report)
    assert any("no verdict" in line for line in report.not_measured)


def test_wrong_arguments_are_still_refused() -> None:
    with pytest.raises(TypeError, match=r"must be a torch.nn.Module"):
        inithealth.watch(print)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown setting"):
        inithealth.watch(network(), schedul=1)
    assert Settings()
