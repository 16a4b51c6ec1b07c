"""``InitHealth`` in the Trainers of both namespaces, together with other callbacks and features."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from inithealth import Finding, InitHealth, Report, UnhealthyInit
from inithealth.recording import Recording
from inithealth.sessions.saved_recording import packed, unpacked

INPUTS = torch.randn(96, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(96) % 4
NAMESPACES = pytest.mark.parametrize("pl", [pytorch_lightning, lightning.pytorch], ids=lambda home: home.__name__)
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


def healthy() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def vanishing() -> nn.Sequential:
    """Return a network that is wrong from the start and does not get worse by training."""
    net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
    for layer in net:
        nn.init.normal_(layer.weight, std=0.01)
    return net


def never_receiving() -> nn.Sequential:
    """Return a network of zeros, which fails after four steps."""
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net


def cross_entropy(module: Any, batch: Any, index: int) -> Any:
    return F.cross_entropy(module.net(batch[0]), batch[1])


def validated(self: Any, batch: Any, batch_idx: int) -> None:
    """Validate on data that would raise an alarm."""
    self.log("validation", F.cross_entropy(self.net(batch[0] * 1000), batch[1]))


def module(
    net: nn.Module, step: Callable[..., Any] = cross_entropy, pl: ModuleType = pytorch_lightning, **attributes: Any
) -> Any:
    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return step(self, batch, batch_idx)

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.1)

    return type("Net", (Net,), attributes)()


def loader(inputs: Tensor = INPUTS) -> DataLoader[Any]:
    return DataLoader(TensorDataset(inputs, TARGETS), batch_size=16)


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def fit(
    model: Any,
    callbacks: Any = None,
    steps: int = 6,
    *,
    pl: ModuleType = pytorch_lightning,
    train: Any = None,
    validation: Any = None,
    checkpoint: Path | None = None,
    **options: Any,
) -> Any:
    """Return the Trainer after its fit, and check that no hook is left, however the fit ends."""
    if validation is not None:
        type(model).validation_step = validated
    trainer = pl.Trainer(max_steps=steps, callbacks=callbacks, **{**QUIET, **options})
    try:
        trainer.fit(model, train or loader(), validation, ckpt_path=checkpoint)
    finally:
        assert hooks(model) == 0
    return trainer


def report_of(model: Any, **options: Any) -> Report:
    callback = InitHealth()
    fit(model, [callback], **options)
    assert callback.report is not None
    return callback.report


def codes(report: Report | None, severity: str = "error") -> list[str]:
    assert report is not None
    return [cause.code for cause in report.causes if cause.severity.value == severity]


# --- the verdict ---


@NAMESPACES
@pytest.mark.parametrize("wrap", [lambda callback: callback, lambda callback: [callback]], ids=["bare", "list"])
def test_a_healthy_run_is_not_changed(pl: ModuleType, wrap: Callable[[Any], Any]) -> None:
    callback = InitHealth("raise")
    assert callback.report is None
    trainer = fit(module(healthy(), pl=pl), wrap(callback), pl=pl)
    assert trainer.global_step == 6
    assert callback.report is not None
    assert callback.report.findings == ()
    assert callback.report.step == 5
    assert [m.gradient is not None for m in callback.report.measurements] == [True, True]
    assert callback.report.notes[0] == "optimizer: SGD(lr=0.1)"


@NAMESPACES
def test_raise_happens_before_the_first_optimizer_step(pl: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "reports" / "init.json"
    model, callback = module(vanishing(), pl=pl), InitHealth("raise", report_path=path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UnhealthyInit) as raised:
        fit(model, [callback], pl=pl)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert codes(callback.report) == ["IH106"]
    assert raised.value.report is callback.report
    fix = f"the fixes as code: inithealth fix {path}"
    assert str(raised.value) == f"unhealthy initialization\n{callback.report}\n{fix}"
    assert Report.from_json(path.read_bytes()) == callback.report
    assert [file.name for file in path.parent.iterdir()] == ["init.json"]


@NAMESPACES
def test_stop_ends_the_run_after_the_current_step(pl: ModuleType) -> None:
    trainer = fit(module(vanishing(), pl=pl), [InitHealth("stop")], pl=pl)
    assert trainer.global_step == 1
    assert trainer.should_stop


def test_warn_continues_and_shows_the_table_once(caplog: pytest.LogCaptureFixture) -> None:
    callback = InitHealth("warn")
    assert fit(module(vanishing()), [callback]).global_step == 6
    tables = [
        record.getMessage() for record in caplog.records if record.getMessage().startswith("inithealth: unhealthy")
    ]
    assert len(tables) == 1
    assert codes(callback.report) == ["IH106"]


UNHEALTHY = "unhealthy at step 0, 1 error (Net, 6 layers)"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("warn", [UNHEALTHY]),
        ("stop", [UNHEALTHY, "stopped at step 0: IH106 weight-scale in net.4"]),
        ("raise", []),
    ],
)
def test_the_log_has_each_message_once_and_does_not_repeat_an_error(
    action: Any, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnhealthyInit) if action == "raise" else nullcontext():
        fit(module(vanishing()), [InitHealth(action)])
    logged = [record.getMessage() for record in caplog.records if record.name == "inithealth"]
    assert [text.splitlines()[0].partition(" (on_")[0] for text in logged] == [
        f"inithealth: {text}" for text in expected
    ]


@pytest.mark.parametrize("options", [{}, {"barebones": True}], ids=["without bar", "barebones"])
def test_a_healthy_run_logs_one_line(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="inithealth")
    quiet = dict.fromkeys(QUIET, None) | {"accelerator": "cpu"} if options else {}
    fit(module(healthy()), [InitHealth("stop")], **options, **quiet)
    logged = [record.getMessage() for record in caplog.records if record.name == "inithealth"]
    assert logged == ["inithealth: healthy at step 0 (Net, 2 layers)"]


def test_without_verbosity_the_log_is_empty_but_the_report_exists(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="inithealth")
    path = tmp_path / "init.json"
    callback = InitHealth("stop", report_path=path, verbose=False)
    assert fit(module(vanishing()), [callback]).global_step == 1
    assert Report.from_json(path.read_bytes()) == callback.report
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UnhealthyInit, match="IH106"):
        fit(module(vanishing()), [InitHealth("raise", verbose=False, report_path=tmp_path / "folder.json")])
    assert [record for record in caplog.records if record.name == "inithealth"] == []


def test_findings_of_later_steps_are_raised_once_known() -> None:
    callback = InitHealth("raise")
    with pytest.raises(UnhealthyInit):
        fit(module(never_receiving()), [callback])
    assert callback.report is not None
    assert codes(callback.report) == ["IH103"]
    assert callback.report.step == 4


@pytest.mark.parametrize("settings", [{"schedule": 100}, {"until": 0}], ids=["every 100th", "step 0 only"])
def test_findings_of_later_steps_are_reported_on_unwatched_steps_too(settings: dict[str, Any]) -> None:
    with pytest.raises(UnhealthyInit):
        fit(module(never_receiving()), [InitHealth("raise", settings=settings)])


def test_on_alert_is_called_once_per_cause_and_may_fail() -> None:
    shown: list[Finding] = []

    def page(finding: Finding) -> None:
        shown.append(finding)
        raise ConnectionError("the pager is down")

    assert fit(module(vanishing()), [InitHealth(on_alert=page)]).global_step == 6
    assert [(finding.code, finding.role) for finding in shown] == [("IH106", "cause")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on_unhealthy": "error"}, 'on_unhealthy must be "warn", "stop" or "raise", not \'error\''),
        ({"settings": {"schedul": "every"}}, "unknown setting 'schedul'; did you mean 'schedule'"),
        ({"settings": {"ignore": "dead-unit"}}, "unknown rule 'dead-unit'; did you mean 'dead-units'"),
        ({"settings": {"rules": {"dead-units": {"mx": 1}}}}, "unknown option of dead-units 'mx'"),
    ],
)
def test_misspelled_options_are_rejected_immediately(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        InitHealth(**options)


# --- the report file ---


def test_the_file_contains_the_latest_report(tmp_path: Path) -> None:
    callback = InitHealth(report_path=str(tmp_path / "init.json"))
    fit(module(healthy()), [callback])
    assert Report.from_json((tmp_path / "init.json").read_bytes()) == callback.report


@pytest.mark.parametrize("place", ["file/init.json", "folder.json"], ids=["below a file", "a folder"])
def test_an_unwritable_report_only_warns(tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    assert fit(module(healthy()), [InitHealth(report_path=tmp_path / place)]).global_step == 6
    assert caplog.text.count("could not be written") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.json"]


# --- other features of a Trainer ---


@pytest.mark.parametrize(
    "options",
    [
        {"validation": loader()},
        {"gradient_clip_val": 0.01},
        {"detect_anomaly": True},
    ],
    ids=["sanity check", "clipping", "anomaly detection"],
)
def test_the_training_is_not_changed(options: dict[str, Any]) -> None:
    plain, other = report_of(module(healthy()), steps=1), report_of(module(healthy()), steps=1, **options)
    assert other.measurements == plain.measurements
    assert other.findings == ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 3},
        {"accumulate_grad_batches": 2, "validation": loader(), "val_check_interval": 1, "num_sanity_val_steps": 0},
        {"precision": "bf16-mixed"},
        {"precision": "64-true"},
        {"plugins": [pytorch_lightning.plugins.MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))]},
        {"validation": loader(), "val_check_interval": 1},
    ],
    ids=["nothing", "accumulation", "validation while accumulating", "bfloat16", "float64", "loss scale", "validation"],
)
@pytest.mark.parametrize(("net", "expected"), [(healthy, []), (vanishing, ["IH106"])])
def test_the_verdict_is_the_same(options: dict[str, Any], net: Callable[[], nn.Module], expected: list[str]) -> None:
    report = report_of(module(net()), steps=3, **options)
    assert codes(report) == expected
    assert codes(report, "info") == codes(report, "warning") == []


def test_other_callbacks_still_work(tmp_path: Path) -> None:
    callbacks = pytorch_lightning.callbacks
    stopping, saving = callbacks.EarlyStopping("validation"), callbacks.ModelCheckpoint(tmp_path, "kept")
    trainer = fit(module(healthy()), [stopping, InitHealth(), saving], validation=loader(), enable_checkpointing=True)
    assert trainer.global_step == 6
    assert (tmp_path / "kept.ckpt").exists()


def test_a_resumed_run_without_a_recording_judges_no_initialization(tmp_path: Path) -> None:
    fit(module(healthy()), steps=6).save_checkpoint(tmp_path / "epoch.ckpt")
    callback = InitHealth("raise")
    trainer = fit(module(wrong_until_loaded()), [callback], 12, checkpoint=tmp_path / "epoch.ckpt")
    assert trainer.global_step == 12
    assert callback.report is not None
    assert callback.report.causes == ()
    assert callback.report.notes[0] == "resumed at step 6: the initialization is not judged"
    assert callback.report.step == 9


def test_a_finished_schedule_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(module(healthy()), steps=6).save_checkpoint(tmp_path / "epoch.ckpt")
    callback = InitHealth(until=3)
    fit(module(healthy()), [callback], 8, checkpoint=tmp_path / "epoch.ckpt")
    assert callback.report is None
    assert "not watched: step 6 is past the last of the schedule: set schedule='every' and until=None" in caplog.text


def test_a_resumed_run_continues_from_its_recording(tmp_path: Path) -> None:
    fit(module(vanishing()), [InitHealth()], 6).save_checkpoint(tmp_path / "kept.ckpt")
    callback = InitHealth()
    fit(module(vanishing()), [callback], 12, checkpoint=tmp_path / "kept.ckpt")
    assert codes(callback.report) == ["IH106"]  # the initialization is still known
    assert callback.report is not None
    assert callback.report.step == 9
    once = InitHealth()
    fit(module(vanishing()), [once], 12)
    assert once.report is not None
    assert [finding.code for finding in callback.report.causes] == [finding.code for finding in once.report.causes]


@pytest.mark.parametrize("state", [{}, {"index": 6}, {"index": 6, "recording": "{"}, {"index": "?", "recording": "{}"}])
def test_an_unreadable_state_is_ignored(state: dict[str, Any], tmp_path: Path) -> None:
    fit(module(healthy()), [InitHealth()], 6).save_checkpoint(tmp_path / "kept.ckpt")
    checkpoint = torch.load(tmp_path / "kept.ckpt", weights_only=False)
    checkpoint["callbacks"]["InitHealth"] = state
    torch.save(checkpoint, tmp_path / "kept.ckpt")
    callback = InitHealth("raise")
    assert fit(module(healthy()), [callback], 12, checkpoint=tmp_path / "kept.ckpt").global_step == 12


def test_the_history_of_another_model_is_ignored(tmp_path: Path) -> None:
    fit(module(healthy()), [InitHealth()], 6).save_checkpoint(tmp_path / "kept.ckpt")
    checkpoint = torch.load(tmp_path / "kept.ckpt", weights_only=False)
    state = checkpoint["callbacks"]["InitHealth"]
    other = unpacked(state["recording"]).model_dump_json().replace("net.0", "other.0")
    state["recording"] = packed(Recording.model_validate_json(other))
    torch.save(checkpoint, tmp_path / "kept.ckpt")
    callback = InitHealth("raise")
    fit(module(wrong_until_loaded()), [callback], 12, checkpoint=tmp_path / "kept.ckpt")
    assert callback.report is not None
    assert callback.report.notes[0] == "resumed at step 6: the initialization is not judged"


def test_a_checkpoint_differs_only_in_one_key(tmp_path: Path) -> None:
    fit(module(healthy())).save_checkpoint(tmp_path / "bare.ckpt")
    fit(module(healthy()), [InitHealth()]).save_checkpoint(tmp_path / "with.ckpt")
    bare, watched = (torch.load(tmp_path / f"{name}.ckpt", weights_only=False) for name in ("bare", "with"))
    assert set(watched["callbacks"].pop("InitHealth")) == {"index", "recording"}
    assert bare.keys() == watched.keys()
    for name, value in bare["state_dict"].items():
        assert torch.equal(value, watched["state_dict"][name])
    bare.pop("state_dict"), watched.pop("state_dict")
    assert str(bare) == str(watched)


def wrong_until_loaded() -> nn.Module:
    """Return a model with wrong weights, which loading the checkpoint replaces."""
    net = healthy()
    nn.init.normal_(net[0].weight, std=1000.0)
    return net


def test_testing_alone_judges_nothing() -> None:
    callback = InitHealth("raise")
    model = module(vanishing(), test_step=lambda self, batch, batch_idx: self.net(batch[0]))
    pytorch_lightning.Trainer(callbacks=[callback], **QUIET).test(model, loader(), verbose=False)
    assert callback.report is None
    assert hooks(model) == 0


def test_each_fit_is_judged_separately() -> None:
    callback = InitHealth()
    for net, expected in ((vanishing(), ["IH106"]), (healthy(), []), (vanishing(), ["IH106"])):
        fit(module(net), [callback], steps=2)
        assert codes(callback.report) == expected


def test_a_fit_that_ends_before_its_first_step_has_no_report() -> None:
    callback = InitHealth()
    fit(module(vanishing()), [callback], steps=2)
    with pytest.raises(ZeroDivisionError):
        fit(module(healthy(), lambda self, batch, index: 1 / 0), [callback])
    assert callback.report is None


def test_inithealth_0_disables_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INITHEALTH", "0")
    callback = InitHealth("raise")
    assert fit(module(vanishing()), [callback]).global_step == 6
    assert callback.report is None


def test_an_unknown_value_of_inithealth_is_reported_once_per_trainer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("INITHEALTH", "maybe")
    fit(module(healthy()), [InitHealth()])
    assert caplog.text.count("INITHEALTH=maybe is ignored") == 1


def test_in_place_activations_and_compiled_modules() -> None:
    in_place = nn.Sequential(nn.Linear(8, 16), nn.ReLU(inplace=True), nn.Linear(16, 4))
    in_place.load_state_dict(healthy().state_dict())
    plain = report_of(module(healthy()), steps=1)
    assert report_of(module(in_place), steps=1).measurements == plain.measurements
    assert report_of(torch.compile(module(healthy()), backend="eager"), steps=1).measurements == plain.measurements


# --- manual optimization ---


def adversarial(*, toggle: bool, generator_first: bool = False) -> Any:
    class Gan(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.automatic_optimization = False
            self.generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))
            self.critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

        def training_step(self, batch: Any, batch_idx: int) -> None:
            to_judge, to_generate = self.optimizers()
            noise = torch.randn(len(batch[0]), 4)
            fake = self.generator(noise)
            turns = [
                (to_judge, lambda: F.softplus(-self.critic(batch[0])) + F.softplus(self.critic(fake.detach()))),
                (to_generate, lambda: F.softplus(-self.critic(self.generator(noise)))),
            ]
            for optimizer, losses in reversed(turns) if generator_first else turns:
                self._descend(optimizer, losses)

        def _descend(self, optimizer: Any, losses: Callable[[], Tensor]) -> None:
            if toggle:
                self.toggle_optimizer(optimizer)
            optimizer.zero_grad()
            self.manual_backward(losses().mean())
            optimizer.step()
            if toggle:
                self.untoggle_optimizer(optimizer)

        def configure_optimizers(self) -> Any:
            return Adam(self.critic.parameters(), lr=2e-4), Adam(self.generator.parameters(), lr=2e-4)

    return Gan()


@pytest.mark.parametrize("toggle", [False, True])
def test_two_alternating_optimizers_raise_no_alarm(toggle: bool) -> None:
    report = report_of(adversarial(toggle=toggle))
    assert report.findings == ()
    assert any(line.startswith("generator.0") for line in report.not_measured)


def test_a_schedule_aligned_with_the_alternation_finds_no_stuck_weights() -> None:
    """The same optimizer steps at every second step, so the weights of the other one are never seen to change."""
    callback = InitHealth(settings={"schedule": 2, "until": None})
    fit(adversarial(toggle=False, generator_first=True), [callback], 48)
    assert callback.report is not None
    assert callback.report.causes == ()


def test_a_fault_is_raised_before_the_first_of_two_optimizers_steps() -> None:
    model = adversarial(toggle=True)
    nn.init.constant_(model.critic[0].weight, math.nan)
    before = {name: value.clone() for name, value in model.generator.state_dict().items()}
    with pytest.raises(UnhealthyInit, match="IH101"):
        fit(model, [InitHealth("raise")])
    assert all(torch.equal(before[name], value) for name, value in model.generator.state_dict().items())


def test_manual_optimization_with_one_optimizer() -> None:
    def step(self: Any, batch: Any, index: int) -> None:
        self.optimizers().zero_grad()
        self.manual_backward(cross_entropy(self, batch, index))
        self.optimizers().step()

    manual = report_of(module(healthy(), step, automatic_optimization=False), steps=1)
    assert manual.measurements == report_of(module(healthy()), steps=1).measurements


class Plainly:
    """Steps of the optimizer that Lightning does not wrap."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, module: Any, batch: Any, index: int) -> None:
        optimizer = module.optimizers(use_pl_optimizer=self.how == "alternating" and index % 2 == 1)
        optimizer = module.trainer.optimizers[0] if self.how == "trainer" else optimizer
        optimizer.zero_grad()
        module.manual_backward(cross_entropy(module, batch, index))
        optimizer.step()


@pytest.mark.parametrize("how", ["plain", "trainer", "alternating"])
def test_steps_of_plain_optimizers_are_seen(how: str) -> None:
    model = module(healthy(), Plainly(how), automatic_optimization=False)
    callback = InitHealth(schedule="every")
    trainer = fit(model, [callback], 6, limit_train_batches=6, max_epochs=1)
    report = callback.report
    assert report is not None
    assert report.history is not None
    assert report.history.steps == (0, 1, 2, 3, 4, 5)
    assert report.measurements[0].output == report_of(module(healthy()), steps=1).measurements[0].output
    assert trainer.optimizers[0]._optimizer_step_pre_hooks == {}


def test_a_fault_is_raised_before_the_first_plain_step() -> None:
    model = module(healthy(), Plainly("plain"), automatic_optimization=False)
    nn.init.constant_(model.net[0].weight, math.nan)
    before = model.net[2].weight.detach().clone()
    with pytest.raises(UnhealthyInit, match="IH101"):
        fit(model, [InitHealth("raise")])
    assert torch.equal(before, model.net[2].weight)


def test_a_training_without_a_step_that_is_seen_is_not_healthy(caplog: pytest.LogCaptureFixture) -> None:
    def step(self: Any, batch: Any, index: int) -> None:
        cross_entropy(self, batch, index).backward()
        SGD(self.parameters(), lr=0.1).step()

    callback = InitHealth()
    fit(module(healthy(), step, automatic_optimization=False), [callback], 6, limit_train_batches=6, max_epochs=1)
    assert callback.report is not None
    assert [cause.code for cause in callback.report.causes] == ["IH409"]
    assert any("no step of an optimizer was seen" in line for line in callback.report.not_measured)
    assert "nothing was measured: no step of an optimizer was seen" in caplog.text


# --- errors ---


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt()])
def test_an_error_in_the_run_leaves_no_hooks(error: BaseException) -> None:
    def step(self: Any, batch: Any, index: int) -> Any:
        loss = cross_entropy(self, batch, index)
        assert hooks(self) > 0
        if index == 2:
            raise error
        return loss

    callback = InitHealth()
    with pytest.raises((ZeroDivisionError, SystemExit)):  # Lightning converts the interrupt to a SystemExit
        fit(module(healthy(), step), [callback])  # fit checks for hooks
    assert callback.report is not None
    assert callback.report.step == 1


@pytest.mark.parametrize("first", [0, 2])
def test_nan_in_a_batch_is_reported_as_an_input_fault_and_the_run_continues(first: int) -> None:
    inputs = INPUTS.clone()
    inputs[first * 16 : first * 16 + 16] = math.nan
    callback = InitHealth()
    assert fit(module(healthy()), [callback], train=loader(inputs)).global_step == 6
    assert codes(callback.report) == ["IH210"]


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`:UserWarning")
def test_a_batch_skipped_by_training_step_is_not_judged() -> None:
    def step(self: Any, batch: Any, index: int) -> Any:
        loss = cross_entropy(self, batch, index)
        return loss if bool(loss.isfinite()) else None

    inputs = INPUTS.clone()
    inputs[:16] = math.nan
    report = report_of(module(healthy(), step), train=loader(inputs))
    assert report.findings == ()
    assert report.step == 4  # of six batches, one was skipped
    assert all(m.gradient is not None for m in report.measurements)


def test_a_failing_rule_does_not_end_the_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Report:
        raise AttributeError("a third party's rule")

    monkeypatch.setattr("inithealth.sessions.verdicts.diagnose", broken)
    callback = InitHealth("raise")
    assert fit(module(healthy()), [callback]).global_step == 6
    assert callback.report is not None
    assert "not fully measured" in callback.report.summary()
    assert "step 0: AttributeError: a third party's rule" in callback.report.not_measured
    assert "a third party's rule" in caplog.text


@pytest.mark.filterwarnings("ignore:.*returned `None`:UserWarning")
def test_a_module_with_nothing_to_judge_is_still_trained(caplog: pytest.LogCaptureFixture) -> None:
    callback = InitHealth("raise")
    model = module(nn.ReLU(), lambda self, batch, index: None, configure_optimizers=lambda self: None)
    fit(model, [callback], steps=2)
    assert callback.report is None
    assert "not watched: Net has no parameters" in caplog.text
