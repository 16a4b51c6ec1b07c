"""Trainers of every kind with the callback: the result is that of the Trainer without it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers.logger import DummyLogger
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from inithealth import InitHealth, UnhealthyInit
from inithealth.integrations import state_keys
from inithealth.integrations.lightning_loggers import MetricsSink
from inithealth.sessions.monitor import Monitor
from tests.integrations.test_lightning_callback import QUIET, fit, healthy, loader, module, vanishing

pytestmark = pytest.mark.filterwarnings("ignore:.*returned `None`:UserWarning")


def outcome(build: Callable[[], Any], callbacks: list[Any], **options: Any) -> list[Any]:
    """Return the weights after a fit, or the type of the error that ended it."""
    torch.manual_seed(1)
    model = build()
    try:
        fit(model, callbacks, **options)
    except Exception as error:
        return [type(error), str(error)]
    return [str(tensor.tolist()) for tensor in model.state_dict().values()]  # as text, NaN equals itself


def unchanged(build: Callable[[], Any], callback: InitHealth | None = None, **options: Any) -> InitHealth:
    callback = callback or InitHealth(verbose=False)
    assert outcome(build, [callback], **options) == outcome(build, [], **options)
    return callback


def manual(losses: Callable[[Any, Tensor], list[Tensor]]) -> Callable[[], Any]:
    """Return a builder of a module with manual optimization and several losses in each step."""

    def step(self: Any, batch: Any, index: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        for loss in losses(self, batch[0]):
            self.manual_backward(loss, gradient=torch.ones_like(loss))
        optimizer.step()

    return lambda: module(healthy(), step, automatic_optimization=False)


def train_loss(self: Any, batch: Any) -> Tensor:
    return F.cross_entropy(self.net(batch[0]), batch[1])


STEPS: dict[str, Callable[[Any, Any, int], Any]] = {
    "None now and then": lambda self, batch, index: None if index % 2 else train_loss(self, batch),
    "a dictionary": lambda self, batch, index: {"loss": train_loss(self, batch), "more": [1]},
    "NaN": lambda self, batch, index: train_loss(self, batch) * (float("nan") if index == 2 else 1),
    "a loss without a graph of the model": lambda self, batch, index: self.net[0].bias.sum(),
    "a double loss": lambda self, batch, index: train_loss(self, batch).double(),
    "one element": lambda self, batch, index: train_loss(self, batch).reshape(1),
    "a text": lambda self, batch, index: "no loss",
    "an error": lambda self, batch, index: 1 // (2 - index) and train_loss(self, batch),
}


@pytest.mark.parametrize("name", STEPS)
def test_any_training_step(name: str) -> None:
    callback = unchanged(lambda: module(healthy(), STEPS[name]))
    assert callback.report is None or not callback.report.incomplete


LOSSES: dict[str, Callable[[Any, Tensor], list[Tensor]]] = {
    "of different shapes": lambda self, x: [self.net(x).sum(1)[:3], self.net(x).sum(1)[:9]],
    "of different types": lambda self, x: [self.net(x).sum().double(), self.net(x).sum()],
    "with several dimensions": lambda self, x: [self.net(x)],
    "none": lambda self, x: [],
}


@pytest.mark.parametrize("schedule", ["default", "every", 1000])
@pytest.mark.parametrize("name", LOSSES)
def test_any_losses_of_manual_optimization(name: str, schedule: Any) -> None:
    settings = {} if schedule == "default" else {"schedule": schedule}
    callback = unchanged(manual(LOSSES[name]), InitHealth(verbose=False, settings=settings), steps=12, max_epochs=3)
    assert callback.report is None or not callback.report.incomplete


@pytest.mark.parametrize("batches", [2, 4])
def test_accumulated_batches(batches: int) -> None:
    callback = unchanged(lambda: module(healthy()), accumulate_grad_batches=batches, max_epochs=4)
    assert callback.report is not None
    assert callback.report.measurements


# --- two callbacks ---


@pytest.mark.parametrize("second", [{}, {"on_unhealthy": "stop"}, {"settings": {"schedule": "every"}}], ids=str)
def test_two_callbacks_in_one_trainer(second: dict[str, Any]) -> None:
    one, other = InitHealth(verbose=False), InitHealth(verbose=False, **second)
    assert outcome(lambda: module(healthy()), [one, other]) == outcome(lambda: module(healthy()), [])
    assert one.report is not None
    assert other.report is not None
    assert one.report.measurements == other.report.measurements
    assert (one.state_key, other.state_key) == ("InitHealth", "InitHealth 2")


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_two_callbacks_continue_from_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    fit(module(healthy()), [InitHealth(verbose=False), InitHealth(verbose=False)], 3).save_checkpoint(path)
    again = [InitHealth(verbose=False), InitHealth(verbose=False)]
    fit(module(healthy()), again, 5, checkpoint=path)
    for callback in again:
        assert callback.report is not None
        assert callback.report.measurements
        assert not any("resumed" in note for note in callback.report.notes)


def test_the_key_does_not_depend_on_earlier_trainers() -> None:
    first = InitHealth(verbose=False)
    fit(module(healthy()), [first], 1)
    assert InitHealth().state_key == "InitHealth"
    assert first.state_key == "InitHealth"


def test_forgotten_callbacks_do_not_count() -> None:
    before = len(state_keys._waiting)
    made = InitHealth()
    assert len(state_keys._waiting) == before + 1
    del made
    assert len(state_keys._waiting) == before


def test_one_callback_raises_for_both() -> None:
    with pytest.raises(UnhealthyInit):
        fit(module(vanishing()), [InitHealth(verbose=False), InitHealth("raise", verbose=False)])


# --- the order of fits and evaluations ---


def test_validate_first() -> None:
    callback, model = InitHealth(verbose=False), module(healthy())
    type(model).validation_step = lambda self, batch, index: None
    trainer = pytorch_lightning.Trainer(max_steps=3, callbacks=[callback], **QUIET)
    trainer.validate(model, loader(), verbose=False)
    trainer.fit(model, loader(), loader())
    assert callback.report is not None
    assert len(callback.report.measurements) == 2


@pytest.mark.parametrize("first", [torch.no_grad, torch.enable_grad], ids=["no_grad", "enable_grad"])
def test_an_evaluation_in_the_first_training_step(first: Callable[[], Any]) -> None:
    def step(self: Any, batch: Any, index: int) -> Any:
        if index == 0:
            with first():
                torch.func.vmap(self.net)(batch[0])
        return train_loss(self, batch)

    callback = unchanged(lambda: module(healthy(), step))
    assert callback.report is not None
    assert len(callback.report.measurements) == 2
    assert callback.report.flow is not None


def test_a_copy_of_the_trainer_while_it_runs() -> None:
    class Copies(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            copy.deepcopy(trainer.callbacks)
            copy.deepcopy(trainer.lightning_module.net)

    callback = InitHealth(verbose=False)
    bare = outcome(lambda: module(healthy()), [Copies()])
    assert outcome(lambda: module(healthy()), [callback, Copies()]) == bare
    assert callback.report is not None
    assert not callback.report.incomplete


# --- what the callback touches ---


class Broken(DummyLogger):
    """A logger that takes no numbers."""

    error: type[BaseException] = ConnectionError

    def log_metrics(self, *args: Any, **options: Any) -> None:
        raise self.error("the server is gone")


class Leaving(Broken):
    error = SystemExit


@pytest.mark.parametrize("kind", [Broken, Leaving])
def test_a_logger_that_raises(kind: Any) -> None:
    callback = unchanged(lambda: module(healthy()), InitHealth(), logger=kind())
    assert callback.report is not None
    assert any("the server is gone" in note for note in callback.report.notes)
    assert not callback.report.incomplete


def test_a_logger_that_fails_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Any) -> None:
        raise ConnectionError("the end is lost")

    monkeypatch.setattr(MetricsSink, "close", fails)
    callback = unchanged(lambda: module(healthy()), logger=DummyLogger())
    assert callback.report is not None
    assert any("the end is lost" in note for note in callback.report.notes)


PLACES = ["__init__", "begin", "observe", "take_batch", "take_news", "close", "recording", "report", "pause"]


@pytest.mark.parametrize("place", PLACES)
def test_the_monitor_fails(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **options: Any) -> Any:
        raise RuntimeError(f"{place} is broken")

    callback = InitHealth("raise", verbose=False)
    monkeypatch.setattr(Monitor, place, property(fails) if place in ("recording", "report") else fails)
    watched = module(healthy())
    type(watched).validation_step = lambda self, batch, index: None
    if place == "close":  # nothing else takes the hooks off
        monkeypatch.setattr("tests.integrations.test_lightning_callback.hooks", lambda model: 0)
    fit(watched, [callback], validation=loader(), num_sanity_val_steps=0)
    bare = module(healthy())
    type(bare).validation_step = lambda self, batch, index: None
    fit(bare, [], validation=loader(), num_sanity_val_steps=0)
    assert all(map(torch.equal, watched.state_dict().values(), bare.state_dict().values()))
    report = callback.report
    assert report is not None
    assert any(f"{place} is broken" in line for line in report.not_measured)
    assert report.incomplete
    assert "inithealth: healthy" not in str(report)


def test_a_model_that_cannot_be_listed_is_still_trained(caplog: pytest.LogCaptureFixture) -> None:
    class Unlisted(nn.Linear):
        def named_parameters(self, *args: Any, **options: Any) -> Any:
            if options.get("remove_duplicate") is False:
                raise RuntimeError("no list")
            return super().named_parameters(*args, **options)

    def build() -> Any:
        made = module(nn.Sequential(Unlisted(8, 4)))
        made.named_parameters = made.net[0].named_parameters
        return made

    callback = unchanged(build, InitHealth())
    assert callback.report is not None
    assert callback.report.incomplete
    assert any("no list" in line for line in callback.report.not_measured)
    assert "not watched: RuntimeError: no list" in caplog.text


def test_an_interruption_ends_the_fit_without_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("inithealth.record.live.readings.Readings.take", interrupted)
    model = module(healthy())
    with pytest.raises(SystemExit):  # Lightning's own reaction to the interruption
        fit(model, [InitHealth(verbose=False)])


def test_deliberate_stops_still_stop() -> None:
    with pytest.raises(UnhealthyInit):
        fit(module(vanishing()), [InitHealth("raise", verbose=False)])
    trainer = fit(module(vanishing()), [InitHealth("stop", verbose=False)])
    assert trainer.global_step == 1


def test_an_alert_that_raises_unhealthy_does_not_stop() -> None:
    def page(finding: Any) -> None:
        raise UnhealthyInit("not by this callback")

    assert fit(module(vanishing()), [InitHealth(on_alert=page, verbose=False)]).global_step == 6


def test_the_environment_fails(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise RuntimeError("no environment")

    monkeypatch.setattr("inithealth.environment.switch", fails)
    with caplog.at_level(logging.WARNING, "inithealth"):
        assert fit(module(healthy())).global_step == 6
    assert "not watched: RuntimeError: no environment" in caplog.text


def test_several_optimizers_and_a_frozen_one() -> None:
    def step(self: Any, batch: Any, index: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(self.net(batch[0]).square().mean())
            optimizer.step()

    def optimizers(self: Any) -> Any:
        return [SGD(self.net[0].parameters(), lr=0.1), SGD(self.net[2].parameters(), lr=0.0)]

    def build() -> Any:
        return module(healthy(), step, automatic_optimization=False, configure_optimizers=optimizers)

    callback = unchanged(build, steps=8, max_epochs=2)
    assert callback.report is not None
    assert not callback.report.incomplete
