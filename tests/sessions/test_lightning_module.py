"""LightningModules that need their Trainer; each is a pattern used by a library."""

from __future__ import annotations

import copy
import gc
import logging
import os
import random
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from torchmetrics import Accuracy, MeanMetric, MetricCollection, Precision

import inithealth
from inithealth.findings import Report

NAMESPACES = pytest.mark.parametrize("pl", [pytorch_lightning, lightning.pytorch], ids=lambda home: home.__name__)
INPUTS = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(64) % 4
BATCH = (INPUTS, TARGETS)
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


def module(pl: Any = pytorch_lightning, step: Callable[..., Any] | None = None, **methods: Any) -> Any:
    """Return a LightningModule of that namespace with these methods; its loss is the cross-entropy."""

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

        def loss(self, batch: Any) -> Tensor:
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            factor = None if step is None else step(self, batch)
            return self.loss(batch) * (1 if factor is None else factor)

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.1)

    return type("Net", (Net,), methods)()


def check(model: nn.Module, batch: Any = BATCH) -> Report:
    """Run a check without Lightning's warnings about calls outside a Trainer."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return inithealth.check(model, batch)


# --- the Trainer's state ---


def stages(self: Any, batch: Any) -> None:
    trainer = self.trainer
    assert (trainer.state.fn, trainer.state.stage, trainer.state.status) == ("fit", "train", "running")
    assert (trainer.training, trainer.validating, trainer.sanity_checking, trainer.evaluating) == (True, *[False] * 3)
    assert (trainer.global_step, trainer.current_epoch, self.global_step, self.current_epoch) == (0, 0, 0, 0)
    assert trainer.lightning_module is self
    assert (trainer.is_last_batch, trainer.should_stop, trainer.limit_train_batches) == (False, False, 1.0)


def lengths(self: Any, batch: Any) -> None:
    trainer = self.trainer
    assert (trainer.max_epochs, trainer.max_steps, trainer.num_training_batches) == (10, 1000, 100)
    assert (trainer.estimated_stepping_batches, len(trainer.train_dataloader)) == (1000, 100)
    assert all(one is other for one, other in zip(next(iter(trainer.train_dataloader)), batch, strict=True))


def strategies(self: Any, batch: Any) -> None:
    strategy, value = self.trainer.strategy, torch.tensor(2.0)
    strategy.barrier()
    assert (strategy.reduce(value), strategy.broadcast(value), strategy.root_device.type) == (value, value, "cpu")
    assert (self.trainer.world_size, self.trainer.global_rank, self.trainer.is_global_zero) == (1, 0, True)
    assert (self.trainer.num_devices, self.trainer.precision, self.trainer.callbacks) == (1, "32-true", [])


def loggers(self: Any, batch: Any) -> None:
    assert self.logger is self.trainer.logger
    for each in self.trainer.loggers:
        each.log_metrics({"loss": 1.0}, step=0)
        each.log_hyperparams({"lr": 0.1})
        each.experiment.add_histogram("weights", self.net[0].weight, self.global_step)


def logs(self: Any, batch: Any) -> None:
    self.log("value", 2, on_step=True, prog_bar=True, sync_dist=True)
    self.log_dict({"again": torch.tensor(3.0), "more": 4.0}, batch_size=64)
    assert self.trainer.callback_metrics == {"value": 2, "again": 3, "more": 4}
    assert self.trainer.progress_bar_metrics["value"] == 2


def optimizers(self: Any, batch: Any) -> None:
    (optimizer,) = self.trainer.optimizers
    assert optimizer.param_groups[0]["lr"] == self.optimizers().param_groups[0]["lr"] == 0.1
    optimizer.step()
    assert (self.trainer.lr_scheduler_configs, self.lr_schedulers()) == ([], None)


STEPS = [stages, lengths, strategies, loggers, logs, optimizers]


@NAMESPACES
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_the_trainer_is_in_its_first_step(pl: Any, step: Callable[..., Any]) -> None:
    report = check(module(pl, step))
    assert report.ok
    assert report.notes[0] == "loss: training_step's"


def test_optimizers_may_depend_on_the_length_of_the_training() -> None:
    def configured(self: Any) -> Any:
        optimizer = SGD(self.parameters(), lr=0.1)
        return [optimizer], [OneCycleLR(optimizer, 0.5, total_steps=self.trainer.estimated_stepping_batches)]

    assert check(module(configure_optimizers=configured)).notes[1] == "optimizer: SGD(lr=0.02)"


@pytest.mark.parametrize(("weight", "found"), [("epoch", []), ("step", []), ("zero", ["IH103"])])
def test_zeros_before_a_loss_with_an_increasing_weight_are_no_error(weight: str, found: list[str]) -> None:
    def training_step(self: Any, batch: Any) -> Tensor:
        factor = {"epoch": self.current_epoch / 400, "step": self.global_step / 400, "zero": 0}[weight]
        return self.loss(batch) + factor * F.linear(batch[0], self.efficiency).exp().mean()

    net = module(training_step=training_step)
    net.efficiency = nn.Parameter(torch.zeros(4, 8))
    assert [cause.code for cause in check(net).causes if cause.severity == "error"] == found


def test_a_submodule_that_is_a_lightning_module_has_the_trainer() -> None:
    part = module(step=lambda self, batch: self.log("part", self.trainer.max_epochs))
    whole = module(step=lambda self, batch: self.part.training_step(batch, 0))
    whole.part = part
    assert check(whole).ok
    assert "_trainer" not in {name for name, value in part.__dict__.items() if value is not None}


def test_a_lightning_module_in_a_plain_module_has_the_trainer() -> None:
    class Inner(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) / (self.trainer.global_step + 1)

    assert check(nn.Sequential(nn.Linear(8, 8), Inner()), INPUTS).ok


# --- Trainers that were attached before ---


class Data(pytorch_lightning.LightningDataModule):
    scale = 3

    def train_dataloader(self) -> Any:
        return DataLoader(list(zip(*BATCH, strict=True)), batch_size=16)  # type: ignore[arg-type]


def test_the_data_of_a_finished_trainer_are_used() -> None:
    def step(self: Any, batch: Any) -> Any:
        if self.checked:
            assert (self.global_step, self.trainer.training) == (0, True)
            assert (self.trainer.max_epochs, self.trainer.estimated_stepping_batches) == (2, 8)
        return self.trainer.datamodule.scale

    net = module(step=step, checked=False)
    trainer = pytorch_lightning.Trainer(max_epochs=2, **QUIET)
    trainer.fit(net, datamodule=Data())
    net.checked = True
    assert check(net).ok
    assert (net.trainer is trainer, trainer.global_step, trainer.training) == (True, 8, False)


def test_an_attached_trainer_that_has_not_run() -> None:
    net = module(step=lambda self, batch: self.trainer.datamodule.scale * self.trainer.estimated_stepping_batches / 700)
    net.trainer = pytorch_lightning.Trainer(max_epochs=7, **QUIET)
    net.trainer.datamodule = Data()
    assert check(net).ok


def test_a_trainer_in_the_middle_of_its_training() -> None:
    reports = []

    class Checks(pytorch_lightning.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            reports.append(check(pl_module, batch))
            assert pl_module.trainer is trainer

    net = module(step=lambda self, batch: self.log("step", self.global_step))
    trainer = pytorch_lightning.Trainer(max_steps=2, callbacks=[Checks()], **QUIET)
    trainer.fit(net, Data().train_dataloader())
    assert [report.ok for report in reports] == [True, True]
    assert trainer.callback_metrics["step"] == 1


def test_a_trainer_that_the_library_detaches_after_fit() -> None:
    net = module(step=lambda self, batch: self.log("loss", self.global_step + self.trainer.max_epochs))
    pytorch_lightning.Trainer(max_steps=1, **QUIET).fit(net, Data().train_dataloader())
    net.__dict__.pop("_trainer")
    assert check(net).ok
    assert "_trainer" not in net.__dict__


def test_a_users_substitute_trainer_is_used() -> None:
    class Mine:
        global_step, temperature = 5, 2.0

    net = module(step=lambda self, batch: self.trainer.temperature * self.global_step)
    net._trainer = Mine()
    assert check(net).ok


class OwnTrainer(pytorch_lightning.Trainer):
    temperature = 2.0


def test_a_subclass_of_the_trainer_has_its_own_attributes() -> None:
    net = module(step=lambda self, batch: self.trainer.temperature)
    net.trainer = OwnTrainer(**QUIET)
    assert check(net).ok


@pytest.mark.parametrize(
    ("step", "error", "says"),
    [
        (
            lambda self, batch: self.trainer.datamodule.scale,
            ValueError,
            r"Net uses trainer\.datamodule, .*'scale'.*model\.trainer\.datamodule = \.\.\., or watch",
        ),
        (
            lambda self, batch: self.trainer.temperature,
            AttributeError,
            "'temperature': attach one that has",
        ),
        (lambda self, batch: self.trainer.datamodule or self.absent, AttributeError, "no attribute 'absent'"),
    ],
)
def test_a_missing_attribute_is_reported_with_advice(
    step: Callable[..., Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        check(module(step=step))


@pytest.mark.parametrize("name", ["datamodule", "own_thing"])
def test_a_missing_attribute_in_a_property_is_reported_too(name: str) -> None:
    scale = property(lambda self: getattr(self.trainer, name).scale)
    with pytest.raises(ValueError, match=rf"Net uses trainer\.{name}, which a check does not have \(.*'scale'\)"):
        check(module(step=lambda self, batch: self.scale, scale=scale))


def test_the_error_of_configure_optimizers_is_not_changed() -> None:
    net = module(
        step=lambda self, batch: self.optimizers().param_groups[0]["lr"],
        configure_optimizers=lambda self: SGD(self.parameters(), lr=self.rate),
    )
    with pytest.raises(ValueError, match=r"configure_optimizers, which .* raised AttributeError: 'Net' .* 'rate'"):
        check(net)


# --- hooks that run before the first step ---


def needs_state(self: Any, batch: Any) -> Any:
    self.seen.append(len(batch))
    return self.factor


def made_in(name: str) -> dict[str, Any]:
    def make(self: Any, *arguments: Any) -> Any:
        self.seen, self.factor = [], 2.0
        return SGD(self.parameters(), lr=0.1) if name == "configure_optimizers" else None

    return {name: make}


HOOKS = ["setup", "on_fit_start", "on_train_start", "on_train_epoch_start", "on_train_batch_start"]


@pytest.mark.parametrize("name", [*HOOKS, "configure_optimizers"])
def test_state_created_by_a_hook(name: str) -> None:
    net = module(step=needs_state, **made_in(name))
    before = dict(net.__dict__)
    note = check(net).notes[0]
    assert note.startswith("loss: training_step's after ")
    assert name in note
    assert dict(net.__dict__) == before


def test_hooks_do_not_run_if_the_step_works_without_them() -> None:
    def fails(self: Any, *arguments: Any) -> None:
        pytest.fail("a hook has run")

    assert check(module(**dict.fromkeys(HOOKS, fails))).ok


def test_hooks_run_in_the_order_of_a_training() -> None:
    order: list[tuple[Any, ...]] = []

    def noted(name: str) -> Callable[..., None]:
        def hook(self: Any, *arguments: Any) -> None:
            order.append((name, *(each for each in arguments if isinstance(each, (str, int)))))
            self.factor, self.seen = 1.0, []

        return hook

    check(module(step=needs_state, **{name: noted(name) for name in HOOKS}))
    assert order == [("setup", "fit"), *((name,) for name in HOOKS[1:4]), ("on_train_batch_start", 0)]


def test_a_failing_hook_is_named() -> None:
    net = module(step=needs_state, setup=lambda self, stage: 1 / 0)
    with pytest.raises(ValueError, match=r"setup, which .* raised ZeroDivisionError.*call it before the check"):
        check(net)


def test_a_hook_that_creates_layers_must_be_called_before() -> None:
    def setup(self: Any, stage: str) -> None:
        self.factor, self.seen, self.more = 1.0, [], nn.Linear(2, 2)

    net = module(step=needs_state, setup=setup)
    with pytest.raises(ValueError, match="creates layers in a hook such as setup: call it before the check"):
        check(net)
    assert not hasattr(net, "more")


# --- no trace ---


def metrics(self: Any, batch: Any) -> None:
    guess = self.net(batch[0]).softmax(1)
    self.accuracy(guess, batch[1])
    self.log("accuracy", self.accuracy, on_epoch=True)
    self.all(guess, batch[1])
    self.log_dict(self.all)
    self.mean.update(guess.detach())
    self.hparams.rate = 2.0
    self.hparams["more"] = [1]
    self.trainer.should_stop = True
    self.trainer.save_checkpoint("here.ckpt")
    Path(self.trainer.log_dir, "picture.txt").write_text("picture")
    Path(self.trainer.default_root_dir, "other.txt").write_text("picture")


def metered(pl: Any) -> Any:
    net = module(pl, metrics)
    net.save_hyperparameters({"rate": 1.0})
    kinds = {"task": "multiclass", "num_classes": 4}
    net.accuracy, net.mean = Accuracy(**kinds), MeanMetric()
    net.all = MetricCollection([Accuracy(**kinds), Precision(**kinds)])
    return net


def state(value: Any) -> Any:
    """Return everything that a module holds, for a comparison."""
    if isinstance(value, nn.Module):
        return {name: state(each) for name, each in value.__dict__.items()}
    if isinstance(value, dict):
        return {name: state(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [state(each) for each in value]
    return value.tolist() if isinstance(value, Tensor) else repr(value) if callable(value) else value


@contextmanager
def process_unchanged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail if the environment, random state, files or loggers differ, or if something was logged."""
    before = (dict(os.environ), random.getstate(), torch.get_rng_state().tolist(), os.listdir())
    level, filters = logging.root.level, list(logging.getLogger("pytorch_lightning").filters)
    with caplog.at_level(logging.DEBUG):
        yield
    assert before == (dict(os.environ), random.getstate(), torch.get_rng_state().tolist(), os.listdir())
    assert (level, filters) == (logging.root.level, logging.getLogger("pytorch_lightning").filters)
    assert [each.getMessage() for each in caplog.records if "inithealth" not in each.name] == []


@NAMESPACES
@pytest.mark.parametrize("ends", ["well", "in an error"])
def test_nothing_is_left(
    pl: Any,
    ends: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    net = metered(pl)
    before, attributes = copy.deepcopy(state(net)), dict(net.__dict__)
    with process_unchanged(caplog):
        if ends == "well":
            assert check(net).ok
        else:
            with pytest.raises(RuntimeError):
                check(net, (INPUTS[:, :3], TARGETS))
    assert state(net) == before
    assert all(net.__dict__[name] is value for name, value in attributes.items())
    assert capfd.readouterr() == ("", "")


def test_the_model_is_freed_when_it_is_deleted() -> None:
    net = module(step=lambda self, batch: self.log("step", self.trainer.global_step))
    check(net)
    gc.collect()
    alive = weakref.ref(net)
    gc.disable()
    try:
        check(net)
        del net
        assert alive() is None
    finally:
        gc.enable()


def test_a_lightning_module_without_parameters_in_a_plain_one() -> None:
    class Scale(pytorch_lightning.LightningModule):
        def forward(self, x: Tensor) -> Tensor:
            return x / (1 + self.trainer.global_step)

    assert check(nn.Sequential(Scale(), nn.Linear(8, 8)), INPUTS).ok


def test_environment_variables_do_not_change_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"INITHEALTH": "1", "PL_TRAINER_DEVICES": "4", "SLURM_NTASKS": "2"}.items():
        monkeypatch.setenv(name, value)
    assert check(module(step=strategies)).ok


def test_several_optimizers_are_returned_as_a_list() -> None:
    def both(self: Any) -> list[Optimizer]:
        return [SGD(self.net[0].parameters(), lr=0.1), SGD(self.net[2].parameters(), lr=0.2)]

    def step(self: Any, batch: Any) -> None:
        assert [each.param_groups[0]["lr"] for each in self.optimizers()] == [0.1, 0.2]

    assert check(module(step=step, configure_optimizers=both)).ok
