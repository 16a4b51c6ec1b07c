"""``inithealth check``: exit status, worst of several seeds, one clear line for every invalid input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import inithealth
from inithealth import Report
from inithealth.cli import progress
from inithealth.cli.inputs import batch_of
from inithealth.cli.targets import Subject
from tests.cli.conftest import Run


def report(text: str) -> Report:
    return Report.from_json(text)


def test_a_healthy_model_exits_with_0_and_its_prints_are_not_in_the_report(run: Run) -> None:
    done = run("check", "mine.nets:healthy", "--output-format", "json")
    assert done.status == 0
    assert report(done.out).ok
    assert "made by a user who prints" in done.err


def test_only_the_table_on_a_terminal_has_colors(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    assert run("check", "mine.nets:healthy").out.startswith("inithealth: healthy")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("check", "mine.nets:healthy").out.startswith("\x1b[1;32minithealth: healthy")
    assert run("check", "mine.nets:healthy", "--output-format", "table=table.txt").out == ""
    assert (folder / "table.txt").read_text().startswith("inithealth: healthy")
    assert "\x1b" not in run("check", "mine.nets:healthy", "--output-format", "markdown").out


def test_an_unhealthy_model_exits_with_1_and_shows_the_line(run: Run, folder: Path) -> None:
    done = run("check", "mine.nets:broken", "--output-format", "concise")
    assert done.status == 1
    lines = (folder / "mine" / "nets.py").read_text().splitlines()
    number = next(at for at, line in enumerate(lines, 1) if "self.middle = nn.Linear" in line)
    assert done.out.startswith(f"mine/nets.py:{number}: IH101 ")


def test_the_factory_is_the_source_of_library_layers(run: Run, folder: Path) -> None:
    done = run("check", "mine.nets:plain", "--output-format", "concise")
    lines = (folder / "mine" / "nets.py").read_text().splitlines()
    assert done.out.startswith(f"mine/nets.py:{lines.index('def plain():') + 1}: IH101 ")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((), 0),
        (("--fail-on", "warning"), 1),
        (("--fail-on", "warning", "--exit-zero"), 0),
        (("--fail-on", "warning", "--ignore", "IH104,IH2"), 0),
        (("--fail-on", "warning", "--select", "IH3"), 0),
        (("--fail-on", "warning", "--select", "IH3", "--extend-select", "constant-weights"), 1),
    ],
)
def test_fail_on_selects_what_fails(options: tuple[str, ...], status: int, run: Run) -> None:
    assert run("check", "mine.nets:alike", *options).status == status


def test_options_override_the_configuration_file(run: Run, folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.inithealth]\nfail_on = "warning"\n')
    assert run("check", "mine.nets:alike").status == 1
    assert run("check", "mine.nets:alike", "--fail-on", "error").status == 0
    assert run("check", "mine.nets:alike", "--isolated").status == 0
    (folder / "other.toml").write_text('ignore = ["IH1"]\n')
    assert run("check", "mine.nets:broken", "--config", "other.toml", "--ignore", "IH2").status == 1


def test_uninitialized_memory_is_always_found(run: Run) -> None:
    done = run("check", "mine.nets:forgotten", "--output-format", "json")
    assert done.status == 1
    assert "mine" in done.out
    assert "middle" in report(done.out).causes[0].layers


def test_the_worst_of_several_seeds_is_reported(run: Run) -> None:
    done = run("check", "mine.nets:at_random", "--seeds", "6", "--output-format", "json")
    assert done.status == 1
    found = report(done.out)
    assert [cause.code for cause in found.failures] == ["IH101"]
    assert any(note.startswith("seeds: ") and "of 6 initializations fail" in note for note in found.notes)


@pytest.mark.parametrize(("options", "tried"), [((), True), (("--no-verify",), False)])
@pytest.mark.parametrize("target", [("mine.nets:broken",), ("mine.nets:at_random", "--seeds", "6")], ids=" ".join)
def test_fixes_are_tried_unless_that_is_turned_off(
    target: tuple[str, ...], options: tuple[str, ...], tried: bool, run: Run
) -> None:
    found = report(run("check", *target, *options, "--output-format", "json").out)
    assert [cause.verified for cause in found.failures] == ["clears" if tried else ""]


@pytest.mark.parametrize("target", ["mine.nets:Net", "mine.nets:made", "mine.nets:Alike"])
def test_a_random_batch_of_a_given_shape(target: str, run: Run) -> None:
    done = run("check", target, "--input", "8,16", "--output-format", "json")
    assert done.status == 0
    assert report(done.out).measurements


def test_an_optimizer_by_name(run: Run) -> None:
    done = run("check", "mine.nets:healthy", "--optimizer", "adamw:0.01", "--output-format", "json")
    assert "optimizer: AdamW(lr=0.01)" in report(done.out).notes


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nets",), "'nets' is not a target: write package.module:name"),
        (("mine.nope:x",), "no module 'mine.nope' here"),
        (("nope.nets:x",), "no module 'nope' here"),
        (("mine.nets:helthy",), "did you mean 'healthy'?"),
        (("mine.missing:x",), "importing mine.missing raised ModuleNotFoundError: No module named 'not_a_package"),
        (("mine.wrong:x",), "importing mine.wrong raised SyntaxError"),
        (("mine.stops:x",), "importing mine.stops called sys.exit('no')"),
        (("mine.nets:raises",), "calling mine.nets:raises raised ZeroDivisionError: division by zero"),
        (("mine.nets:leaves",), "calling mine.nets:leaves called sys.exit(7)"),
        (("mine.nets:text",), "mine.nets:text returned str: it must return model, (model, batch) or"),
        (("mine.nets:words",), "mine.nets:words is a list: give a module, a class, or a function"),
        (("mine.nets:wants",), "mine.nets:wants needs width: add --arg width=VALUE, or give a function without"),
        (("mine.nets:wants", "--arg", "with=3"), "unknown argument 'with'; did you mean 'width'?"),
        (("mine.nets:wants", "--arg", "width"), "--arg 'width': write name=value"),
        (("mine.nets:made", "--arg", "width=3"), "is already a model: arguments need a class or a function"),
        (("mine.nets:Net",), "no batch: add --input 32,16 (a random one; repeat it for each input), or --data"),
        (("mine.nets:Lit",), "no batch: add --input 32,16 (a random one; repeat it for each input), or --data"),
        (("mine.nets:Words",), "no batch: add --input 32,20:int64"),
        (("mine.nets:Words", "--input", "32,20"), "the model takes integers, --input 32,20:int64"),
        (("mine.nets:Net", "--loss", "crossentropy"), "did you mean 'cross_entropy'?"),
        (("mine.nets:Net", "--loss", "mine.nets:BATCH"), "is a Tensor: give a function of the output and the target"),
        (("mine.nets:Net", "--input", "8,16", "--loss", "cross_entropy"), "as --input 8:int64"),
        (("mine.nets:Lit", "--input", "8,16"), "for class labels as the target type --input 8,16 --input 8:int64"),
        (
            ("mine.nets:Lit", "--input", "8,16", "--input", "8"),
            "for class labels as the target type --input 8,16 --input 8:int64",
        ),
        ((), "no model: give TARGET, or --model-config"),
        (
            ("mine.nets:Net", "--config", "model.yaml"),
            "the TOML file of settings: a model's is --model-config model.yaml",
        ),
        (("mine.nets:Net", "--input", "8,15"), "checking mine.nets:Net: RuntimeError: mat1 and mat2"),
        (("mine.nets:Net", "--input", "8x16"), "--input '8x16': write sizes"),
        (("mine.nets:Net", "--input", "8,16:flaot32"), "flaot32 is not a torch dtype"),
        (("mine.nets:Net", "--input", "8,16", "--data", "mine.nets:BATCH"), "not both"),
        (("mine.nets:Net", "--data", "mine.nets:loss"), "taking a batch of mine.nets:loss raised TypeError"),
        (("mine.nets:made", "--input", "8,16", "--seeds", "2"), "is already a model"),
        (("mine.nets:healthy", "--optimizer", "adm"), "unknown optimizer 'adm'; did you mean 'adam'?"),
        (("mine.nets:healthy", "--optimizer", "sgd:fast"), "'fast' is not a learning rate"),
        (("mine.nets:healthy", "--select", "IH9"), "unknown rule 'IH9'"),
        (("mine.nets:healthy", "--config", "none.toml"), "none.toml cannot be read"),
        (("mine.nets:healthy", "--output-format", "xml"), "unknown output format 'xml'"),
        (("mine.nets:healthy", "--output-format", "json", "--output-format", "table"), "would both be printed"),
        (("mine.nets:healthy", "--output-file", "no/folder/x"), "no/folder/x cannot be written"),
        (("mine.nets:healthy", "--output-file", "mine"), "mine cannot be written: it is a directory"),
        (("mine.nets:healthy", "--write-baseline", "mine"), "mine cannot be written: it is a directory"),
        (("mine.nets:healthy", "--baseline", "none.json"), "none.json cannot be read"),
        (
            ("mine.nets:healthy", "--baseline", "mine/nets.py"),
            "mine/nets.py is not a baseline made by --write-baseline",
        ),
        (("timm:resnet18",), "timm is not installed"),
    ],
)
def test_an_invalid_input_exits_with_2_and_one_clear_line(
    words: tuple[str, ...], says: str, run: Run, folder: Path
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    done = run("check", *words)
    assert done.status == 2
    assert says in done.error
    assert done.out == ""
    assert sorted(path.name for path in folder.iterdir()) == before  # no partial file


def test_a_slow_step_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "inithealth: " not in run("check", "mine.nets:healthy").err
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    shown = run("check", "mine.nets:healthy", "--seeds", "2").err
    assert "inithealth: importing mine.nets:healthy ..." in shown
    assert "inithealth: checking mine.nets:healthy (seed 1 of 0 to 1) ..." in shown


@pytest.mark.parametrize(("text", "dtype"), [("4,7:int64", torch.int64), ("4,7", torch.float32)])
def test_a_random_input_has_the_shape_and_is_valid_for_every_embedding(text: str, dtype: torch.dtype) -> None:
    model = nn.ModuleList([nn.Embedding(11, 2), nn.Embedding(5, 2)])
    batch = batch_of(Subject(model), None, [text])
    assert (tuple(batch.shape), batch.dtype) == ((4, 7), dtype)
    assert dtype != torch.int64 or set(batch.flatten().tolist()) <= set(range(5))
    two = batch_of(Subject(model), None, [text, "3:bool"])
    assert two[1].dtype == torch.bool


def test_tracebacks_show_only_the_users_frames(run: Run) -> None:
    done = run("check", "mine.nets:raises")
    assert "mine/nets.py" in done.err
    assert "return 1 / 0" in done.err
    assert "targets.py" not in done.err
    assert "importlib" not in run("check", "mine.missing:x").err


def test_several_formats_in_one_run(run: Run, folder: Path) -> None:
    done = run(
        *("check", "mine.nets:broken", "--output-format", "github", "--output-format", "sarif=out.sarif"),
        *("--output-format", "junit=out.xml"),
    )
    assert done.out.startswith("::error file=mine/nets.py,line=")
    assert json.loads((folder / "out.sarif").read_text())["version"] == "2.1.0"
    assert (folder / "out.xml").read_text().startswith("<?xml")


def test_the_output_file_gets_the_printed_format(run: Run, folder: Path) -> None:
    done = run("check", "mine.nets:broken", "--output-file", "report.json", "--output-format", "json")
    assert (done.status, done.out) == (1, "")
    assert report((folder / "report.json").read_text()).failures
    assert sorted(path.name for path in folder.iterdir()) == [".git", "mine", "report.json"]


def test_githubs_step_summary_is_appended_to(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = folder / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run("check", "mine.nets:broken")
    assert summary.read_text().startswith("before\n## inithealth: unhealthy at step 0, 1 error")
    assert "\n```diff\n--- a/mine/nets.py\n+++ b/mine/nets.py\n" in summary.read_text()
    assert "\nTest: the fix clears this finding\n" in summary.read_text()


def test_a_baseline_passes_known_findings_and_only_shrinks(run: Run, folder: Path) -> None:
    assert run("check", "mine.nets:broken", "--write-baseline", "known.json").status == 0
    first = (folder / "known.json").read_bytes()
    again = run("check", "mine.nets:broken", "--baseline", "known.json")
    assert again.status == 0
    assert "suppressed: known: in the baseline" in again.out
    assert (
        "fixed, can be removed from the baseline: IH101 on middle"
        in run("check", "mine.nets:healthy", "--baseline", "known.json").out
    )
    run(
        "check", "mine.nets:alike", "--baseline", "known.json", "--write-baseline", "known.json", "--fail-on", "warning"
    )
    assert b"IH104" not in (folder / "known.json").read_bytes()
    assert first != (folder / "known.json").read_bytes()


def test_a_data_module_provides_the_batch(run: Run, folder: Path) -> None:
    (folder / "mine" / "data.py").write_text(
        "import pytorch_lightning as pl, torch\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "class Data(pl.LightningDataModule):\n"
        "    def train_dataloader(self):\n"
        "        return DataLoader(TensorDataset(torch.randn(64, 16)), batch_size=32)\n"
        "loader = Data().train_dataloader()\n"
    )
    for name in ("Data", "loader"):
        assert run("check", "mine.nets:Net", "--data", f"mine.data:{name}").status == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "mine.nets:criterion", "torch.nn:CrossEntropyLoss"])
@pytest.mark.parametrize("data", [("--data", "mine.nets:LOADER"), ("--input", "8,16", "--input", "8:int64")])
def test_a_loss_with_output_and_target(loss: str, data: tuple[str, ...], run: Run) -> None:
    done = run("check", "mine.nets:Net", "--loss", loss, *data, "--output-format", "json")
    assert done.status == 0, done.err
    assert "loss: as given, of the output and batch[1]" in report(done.out).notes


def test_random_targets_are_valid_classes(run: Run) -> None:
    words = ("--input", "32,20:int64", "--input", "32:int64", "--loss", "cross_entropy")
    assert run("check", "mine.nets:Words", *words).status == 0


def test_a_lightning_modules_own_loader_provides_the_batch(run: Run) -> None:
    done = run("check", "mine.nets:Loading", "--output-format", "json")
    assert done.status == 0, done.err
    assert report(done.out).notes[:2] == ("batch: the first one of DataLoader", "loss: training_step's")


def test_an_argument_of_the_class(run: Run) -> None:
    done = run("check", "mine.nets:wants", "--arg", "width=48", "--input", "8,16", "--output-format", "json")
    assert done.status == 0, done.err
    assert [layer.layer for layer in report(done.out).measurements]


def test_the_version(run: Run) -> None:
    done = run("--version")
    assert (done.status, done.out) == (0, f"inithealth {inithealth.__version__}\n")


def test_a_model_of_a_library_by_name(run: Run) -> None:
    done = run("check", "transformers:BrtModel")
    assert done.status == 2
    assert "unknown model of transformers 'BrtModel'" in done.error
