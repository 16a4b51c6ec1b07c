"""``inithealth fix``: a function to paste, a diff, or the changed source file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from inithealth import Finding, Report, Rule, Severity, saved
from inithealth.cli.main import main
from inithealth.recording import Recording
from inithealth.rules import catalogue as registry
from tests.cli.conftest import Run
from tests.report.allowed_code import refuse_other_code
from tests.report.hostile_operations import FIXES

ADDED = '+        nn.init.kaiming_normal_(self.middle.weight, nonlinearity="relu")'
SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, fails=True):
        super().__init__()
        self.middle = nn.Linear(16, 64)
        self.head = nn.Linear(64, 4)
        if fails:
            nn.init.constant_(self.middle.weight, float("nan"))

    def forward(self, x):
        return self.head(self.middle(x).relu())


def build():
    return Net(), torch.randn(32, 16)


def healthy():
    return Net(fails=False), torch.randn(32, 16)
"""


def git(*words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def imported_again() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


@pytest.fixture
def source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a model, which is committed."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    path = folder / "mine" / "unfit.py"
    path.write_text(SOURCE.lstrip())
    git("init", "-q", ".")
    git("add", "mine/unfit.py")
    git("commit", "-qm", "a model")
    return path


def test_the_verified_fixes_are_printed_as_a_function(run: Run, source: Path) -> None:
    done = run("fix", "mine.unfit:build")
    assert done.status == 1
    namespace: dict[str, object] = {}
    exec(compile(done.out, "pasted", "exec"), namespace)
    assert "# IH101 non-finite-weights in middle: the fix clears this finding\n" in done.out
    refuse_other_code(done.out)


def test_a_healthy_model_has_nothing_to_fix(run: Run, source: Path) -> None:
    for more in ((), ("--diff",), ("--write",)):
        done = run("fix", "mine.unfit:healthy", *more)
        assert (done.status, done.out) == (0, "")
    assert "inithealth: nothing to fix" in run("fix", "mine.unfit:healthy").err


def test_the_options_are_those_of_a_check(run: Run, source: Path) -> None:
    done = run(
        "fix", "mine.unfit:Net", "--input", "8,16", "--input", "8:int64", "--loss", "cross_entropy", "--seeds", "2"
    )
    assert (done.status, "model.middle.weight" in done.out) == (1, True)
    assert run("fix", "mine.unfit:Net", "--input", "8,16", "--arg", "fails=False", "--optimizer", "adam").status == 0
    assert run("fix", "mine.unfit:build", "--ignore", "IH").status == 0
    assert run("fix", "mine.unfit:build", "--fail-on", "never").status == 0
    assert run("fix", "mine.unfit:build", "--exit-zero").status == 0
    assert run("fix").error.startswith("no model: give TARGET")
    assert run("fix", "mine.unfit:build", "--diff", "--write").status == 2


def test_known_findings_are_not_fixed(run: Run, source: Path) -> None:
    run("check", "mine.unfit:build", "--write-baseline", "known.json")
    done = run("fix", "mine.unfit:build", "--baseline", "known.json")
    assert (done.status, "nn.init" in done.out) == (0, False)


def test_a_saved_report_gives_the_same_function(run: Run, source: Path) -> None:
    run("check", "mine.unfit:build", "--output-format", "json=saved.json")
    assert run("fix", "saved.json").out == run("fix", "mine.unfit:build").out
    assert run("fix", "saved.json", "--diff").out == run("fix", "mine.unfit:build", "--diff").out
    assert run("fix", "saved.json").status == 1
    assert run("fix", "saved.json", "--fail-on", "never").status == 0


def test_fixes_that_were_not_tried_are_printed_with_a_note(run: Run, source: Path) -> None:
    run("check", "mine.unfit:build", "--no-verify", "--output-format", "json=saved.json")
    done = run("fix", "saved.json")
    assert "# IH101 non-finite-weights in middle: its fix was not tried\n" in done.out
    assert "the fixes in saved.json were not tried: `inithealth fix TARGET` tries them" in done.err


def test_a_report_of_a_training_is_read_whatever_its_name(run: Run, source: Path) -> None:
    run("check", "mine.unfit:build", "--output-format", "json=report.txt")
    assert "model.middle.weight" in run("fix", "report.txt").out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read: No such file"),
        ("[]", "is not a report made by"),
        ('{"model": "Net", "more": 1}', "more: Extra inputs"),
    ],
)
def test_a_file_that_is_not_a_report_is_rejected(text: str | None, says: str, run: Run, source: Path) -> None:
    if text is not None:
        Path("bad.json").write_text(text)
    done = run("fix", "bad.json")
    assert (done.status, done.out) == (2, "")
    assert says in done.error


@pytest.mark.parametrize(
    "option", [("--input", "8,16"), ("--seeds", "2"), ("--isolated",), ("--select", "IH1"), ("--arg", "a=1")]
)
def test_options_of_a_check_are_rejected_for_a_saved_report(option: tuple[str, ...], run: Run, source: Path) -> None:
    said = f"saved.json is a saved report: {option[0]} is for a model to check"
    assert run("fix", "saved.json", *option).error == said


def test_the_diff_applies_with_git(run: Run, source: Path) -> None:
    done = run("fix", "mine.unfit:build", "--diff")
    assert done.status == 1
    assert [line for line in done.out.splitlines() if line[:1] in "+-"] == [
        "--- a/mine/unfit.py",
        "+++ b/mine/unfit.py",
        ADDED,
    ]
    assert source.read_text() == SOURCE.lstrip()
    Path("a.patch").write_text(done.out)
    git("apply", "a.patch")
    imported_again()
    assert run("check", "mine.unfit:build").status == 0


def test_the_changed_file_is_written_with_its_mode(run: Run, source: Path) -> None:
    source.chmod(0o755)
    git("commit", "-qam", "executable")
    shown = run("fix", "mine.unfit:build", "--diff").out
    done = run("fix", "mine.unfit:build", "--write")
    assert (done.status, done.out) == (1, shown)
    assert "inithealth: mine/unfit.py is changed: run `inithealth check` again" in done.err
    assert stat.S_IMODE(source.stat().st_mode) == 0o755
    imported_again()
    assert run("check", "mine.unfit:build").status == 0
    assert run("fix", "mine.unfit:build", "--write").out == ""


def test_a_file_with_uncommitted_changes_is_shown_but_not_written(run: Run, source: Path) -> None:
    source.write_text(source.read_text() + "\n# more\n")
    done = run("fix", "mine.unfit:build", "--write")
    assert done.status == 2
    assert ADDED in done.out
    assert done.error == f"{source} has uncommitted changes: commit or stash them first, or use --diff"
    git("add", "mine/unfit.py")
    assert run("fix", "mine.unfit:build", "--write").error == done.error
    assert ADDED[1:] not in source.read_text()


def test_a_file_outside_of_git_is_not_written(run: Run, source: Path) -> None:
    other = source.with_name("other.py")
    other.write_text(source.read_text())
    assert run("fix", "mine.other:build", "--write").error.startswith(
        f"{other} is not in git, which could not restore it"
    )
    (source.parent / ".gitignore").write_text("mine/other.py\n")
    assert run("fix", "mine.other:build", "--write").error.startswith(
        f"{other} is not in git, which could not restore it"
    )
    assert other.read_text() == SOURCE.lstrip()


def test_a_file_that_cannot_be_written_is_invalid_input(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved, "write", full)
    done = run("fix", "mine.unfit:build", "--write")
    assert (done.status, done.error) == (2, "mine/unfit.py cannot be written: No space left on device")


def test_causes_without_a_place_are_stated(run: Run, source: Path) -> None:
    source.write_text(source.read_text() + "\n\ndef late():\n    net = Net()\n    net.middle.weight.data.mul_(2)\n")
    source.write_text(source.read_text() + "    return net, torch.randn(32, 16)\n")
    done = run("fix", "mine.unfit:late", "--diff")
    assert (done.status, done.out) == (1, "")
    assert (
        "no edit for IH101 non-finite-weights in middle: mine/unfit.py:27 may change the layer after Net.__init__"
        in done.err
    )
    assert "inithealth: no edit of the source" in done.err


def test_without_libcst_the_message_names_what_to_install(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "libcst", None)
    done = run("fix", "mine.unfit:build", "--diff")
    assert (done.status, done.error) == (2, 'edits of the source need libcst: pip install "inithealth[fix]"')
    assert run("fix", "mine.unfit:build").status == 1


class Advising(Rule):
    """A rule of another package, whose fix is a text."""

    code = "XY001"
    name = "advising"
    severity = Severity.ERROR
    fix: str = ""

    def check(self, recording: Recording) -> Iterator[Finding]:
        yield self.finding(recording.layers[:1], "too small", fix=self.fix)


@pytest.fixture
def advising(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the rule as another package does."""

    class Loaded(EntryPoint):
        def load(self) -> type[Rule]:
            return Advising

    point = Loaded(name="advising", value="somewhere:Advising", group=registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints([point]).select(group=group))
    registry.catalogue.cache_clear()
    yield
    registry.catalogue.cache_clear()


@pytest.mark.parametrize(
    ("fix", "shown"),
    [
        ("use a larger network", "no change of parameters alone fixes it: use a larger network"),
        ("", "it has no fix"),
        (r"nn.init.zeros_(model.fc", "no change of parameters alone fixes it: nn.init.zeros_(model.fc"),
        (r"nn.init.zeros_(model.middle.weight)", "no change of parameters alone fixes it: nn.init.zeros_(model"),
        (r"\"\"\"\nimport os; os.abort()", 'no change of parameters alone fixes it: """'),
    ],
)
def test_the_text_of_a_rule_of_another_package_is_advice(
    fix: str, shown: str, run: Run, source: Path, advising: None
) -> None:
    Path("rules.toml").write_text(f'[tool.inithealth.rules.advising]\nfix = "{fix}"\n')
    done = run("fix", "mine.unfit:healthy", "--config", "rules.toml")
    assert (done.status, "nn.init" in done.out.replace(f"# Not applied: {shown}", "")) == (1, False)
    assert f"    # XY001 advising in middle\n    # Not applied: {shown}" in done.out
    refuse_other_code(done.out)
    assert (
        "no edit for XY001 advising in middle: "
        in run("fix", "mine.unfit:healthy", "--diff", "--config", "rules.toml").err
    )


@given(FIXES)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=50
)
def test_no_text_of_a_loaded_report_is_code(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], found: Report
) -> None:
    path = tmp_path_factory.mktemp("reports") / "report.json"
    path.write_text(found.to_json())
    status = main(["fix", str(path)])
    shown = capsys.readouterr().out
    assert status == int(not found.ok)
    if shown:
        refuse_other_code(shown)
    main(["fix", str(path), "--diff"])
    assert capsys.readouterr().out == ""
