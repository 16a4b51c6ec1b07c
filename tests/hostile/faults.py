"""Raises an error at the entry of one function of the package while a training is watched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

import inithealth
from inithealth import InitHealth, Report
from inithealth.record.live.guarded import Guard, guarded
from inithealth.record.live.picklable_hook import Hook

_PACKAGE = str(Path(inithealth.__file__).parent)
# The guard itself: these functions only call what they guard.
_GUARDS = (
    Guard.run.__code__,
    Guard.attempt.__code__,
    Hook.__call__.__code__,
    guarded(None)(lambda self: None).__code__,
)
INPUTS, TARGETS = torch.randn(16, 8, generator=torch.Generator().manual_seed(3)), torch.arange(16) % 4
# Wrong settings are refused, by an error, when a training is set up.
_REFUSING = ("settings_of", "_nearest_key", "_nearest_schedule", "_no_switch", "_positive", "_known_rules")
STEPS = 5


class Injected(RuntimeError):
    pass


@dataclass
class Faults:
    """A trace function: notes the entries of functions that the guard covers, and raises at the first one of `at`."""

    at: CodeType | None = None
    error: Callable[[], BaseException] = lambda: Injected("injected")
    interrupted: list[Outcome] = field(default_factory=list)  # the state at the end of an interrupted training
    entered: dict[CodeType, int] = field(default_factory=dict)
    _ours: dict[CodeType, bool] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        ours = self._ours.get(code)
        if ours is None:
            ours = self._ours[code] = _is_function(code)
        if ours and not _is_entry(frame):
            self.entered[code] = self.entered.get(code, 0) + 1
            if code is self.at and self.entered[code] == 1:
                raise self.error()

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self)  # type: ignore[arg-type]

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)


def _is_function(code: CodeType) -> bool:
    """Return whether code is a function of the package; a comprehension is part of its function."""
    name, ours = code.co_name, code.co_filename.startswith(_PACKAGE)
    return ours and (name[0] != "<" or name == "<lambda>") and name not in _REFUSING and code not in _GUARDS


def _is_entry(frame: FrameType) -> bool:
    """Return whether the user or torch calls a function: nothing of the package runs that could guard it."""
    caller = frame.f_back
    while caller is not None:
        if caller.f_code.co_filename.startswith(_PACKAGE):
            return False
        caller = caller.f_back
    return True


def network() -> nn.Module:
    """Return a network with a zero head: an alert is raised, and suspects are on probation."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))
    nn.init.zeros_(net[5].weight)
    nn.init.zeros_(net[3].weight)
    return net


def trained(model: nn.Module, optimizer: Optimizer, step: Callable[[Tensor], None] = lambda loss: None) -> None:
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(INPUTS), TARGETS)
        loss.backward()
        step(loss)
        optimizer.step()
        with torch.no_grad():
            model(INPUTS)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def hooks_of(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


class Sink:
    """Takes everything that a run writes."""

    def report(self, *args: Any) -> None: ...
    def step(self, *args: Any) -> None: ...
    def started(self, *args: Any) -> None: ...
    def valued(self, *args: Any) -> None: ...
    def close(self) -> None: ...


@dataclass
class Outcome:
    weights: Tensor
    hooks: int
    report: Report | None


def bare() -> Outcome:
    model = network()
    trained(model, SGD(model.parameters(), lr=0.1))
    return Outcome(flat(model), 0, None)


def watched(faults: Faults) -> Outcome:
    """Train in a loop with every method of the monitor."""
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)

    def step(loss: Tensor) -> None:
        monitor.observe(loss)
        monitor.step(loss)
        monitor.take_news()
        monitor.pause(True)
        monitor.pause(False)

    try:
        with faults:
            settings = {"schedule": 2, "until": 2}
            monitor = inithealth.watch(model, optimizer=optimizer, settings=settings, verbose=False)
            monitor.alerts.sinks.append(Sink())
            monitor.alerts.on_alert = lambda finding: None
            with monitor:
                trained(model, optimizer, step)
            return Outcome(flat(model), hooks_of(model), monitor.report)
    except KeyboardInterrupt:
        faults.interrupted.append(Outcome(flat(model), hooks_of(model), None))
        raise


def called_back(faults: Faults) -> Outcome:
    """Train with every method of the callback, as Lightning calls them."""
    model = network()
    model.automatic_optimization = False  # type: ignore[assignment]
    optimizer = SGD(model.parameters(), lr=0.1)
    callback = InitHealth("stop", settings={"schedule": 2, "until": 2}, on_alert=lambda finding: None, verbose=False)
    trainer = trainer_of(callback, optimizer)
    try:
        with faults:
            _fit(callback, trainer, model, optimizer)
            return Outcome(flat(model), hooks_of(model), callback.report)
    except KeyboardInterrupt:
        faults.interrupted.append(Outcome(flat(model), hooks_of(model), None))
        raise


def _fit(callback: InitHealth, trainer: Any, model: nn.Module, optimizer: Optimizer) -> None:
    callback.setup(trainer, model, "fit")
    callback.load_state_dict({})
    callback.on_train_start(trainer, model)
    for index in range(STEPS):
        callback.on_train_batch_start(trainer, model, (INPUTS, TARGETS), index)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(INPUTS), TARGETS)
        callback.on_before_backward(trainer, model, loss)
        loss.backward()
        callback.on_before_optimizer_step(trainer, model, optimizer)
        optimizer.step()
        callback.on_validation_start(trainer, model)
        with torch.no_grad():
            model(INPUTS)
        callback.on_validation_end(trainer, model)
        callback.state_dict()
        callback.__getstate__()
    callback.on_train_end(trainer, model)
    callback.on_exception(trainer, model, RuntimeError())
    callback.teardown(trainer, model, "fit")


def trainer_of(callback: InitHealth, optimizer: Optimizer) -> Any:
    return SimpleNamespace(
        global_step=0,
        is_global_zero=True,
        optimizers=[optimizer],
        precision_plugin=SimpleNamespace(),
        world_size=1,
        loggers=[SimpleNamespace(log_metrics=lambda values, step: None)],
        callbacks=[callback],
        accumulate_grad_batches=1,
        should_stop=False,
        strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, **options: decision),
    )
