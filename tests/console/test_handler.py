"""The output on stderr: colors and width of a terminal, plain text elsewhere, intact progress bars."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.console import Console
from rich.progress import Progress
from rich.text import Text
from tqdm import tqdm

from inithealth import Report
from inithealth.console.log import Log
from tests.console.terminal import Terminal

REPORT = Report(model="Net")
HEALTHY = "inithealth: healthy at step 0 (Net, 3 layers)"


def healthy() -> None:
    Log().line(logging.INFO, "healthy at step 0 (Net, 3 layers)")


@pytest.fixture(autouse=True)
def _no_handlers(logger: logging.Logger) -> None:
    pass


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the rendering by one that is easy to recognize."""
    rendering = Text("a red report " * 10, style="red")
    monkeypatch.setattr("inithealth.report.terminal.renderable", lambda report, full=False: rendering)


def test_a_terminal_has_colors_and_its_own_width(terminal: Terminal, shown: None) -> None:
    healthy()
    Log().report(logging.ERROR, REPORT)
    assert "\x1b[32mhealthy" in terminal.getvalue()
    assert "\x1b[31ma red report" in terminal.getvalue()
    assert [len(line) <= 80 for line in terminal.lines] == [True, True, True]


def test_no_color_is_honored(terminal: Terminal, shown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    healthy()
    Log().report(logging.ERROR, REPORT)
    assert "\x1b[3" not in terminal.getvalue()
    assert terminal.lines[0] == HEALTHY


@pytest.mark.usefixtures("shown")
def test_a_file_gets_plain_text_unless_colors_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    healthy()
    Log().report(logging.ERROR, REPORT)
    assert file.getvalue() == f"{HEALTHY}\n{REPORT}\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    healthy()
    assert "\x1b[32mhealthy" in file.getvalue()


@pytest.mark.parametrize(
    ("level", "text", "expected"),
    [
        (logging.INFO, "resolved at step 3: IH402 update-ratio", "resolved at step 3: IH402 update-ratio"),
        (logging.ERROR, "stopped at step 0: IH201", "stopped at step 0: IH201"),
        (logging.ERROR, "IH405 non-finite-loss: nan", "error: IH405 non-finite-loss: nan"),
        (logging.WARNING, "IH402 update-ratio: 0.3", "warning: IH402 update-ratio: 0.3"),
        (logging.INFO, "word", "word"),
        (logging.WARNING, "[red]no markup[/red]", "warning: [red]no markup[/red]"),
    ],
)
def test_a_line_starts_with_name_and_level_unless_it_is_a_verdict(
    level: int, text: str, expected: str, terminal: Terminal
) -> None:
    Log().line(level, text)
    assert terminal.lines == [f"inithealth: {expected}"]


def test_the_lines_after_the_first_are_indented(terminal: Terminal) -> None:
    Log().line(logging.ERROR, f"stopped at step 0: {'word ' * 15}in {'encoder.' * 12}fc")
    assert terminal.lines[0] == f"inithealth: stopped at step 0: {'word ' * 9}word"
    assert terminal.lines[1:] == [f"    {'word ' * 5}in", f"    {'encoder.' * 12}fc"]


def test_an_empty_line_follows_a_report(terminal: Terminal, shown: None) -> None:
    Log().report(logging.ERROR, REPORT)
    assert terminal.getvalue().endswith("\n\n")


def test_a_traceback_follows_its_line(terminal: Terminal) -> None:
    try:
        raise OSError("the disk is full")
    except OSError:
        Log().warning("write failed; the training goes on", exc_info=True)
    assert terminal.lines[0] == "inithealth: warning: write failed; the training goes on"
    assert terminal.lines[-1] == "OSError: the disk is full"


def test_a_line_is_printed_above_tqdm_bars(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    with (
        tqdm(total=2, desc="epochs", file=sys.stdout, ncols=60) as outer,
        tqdm(total=4, desc="steps", file=sys.stdout, ncols=60, mininterval=0, leave=False) as inner,
    ):
        inner.update(3)
        healthy()
        during = terminal.lines
        inner.update()
        outer.update(2)
    assert during[0] == HEALTHY
    assert [line.split(":")[0] for line in during[1:]] == ["epochs", "steps"]
    assert [line.split(":")[0] for line in terminal.lines] == ["inithealth", "epochs"]


@pytest.mark.parametrize("on_stderr", [False, True])
def test_a_line_is_printed_above_a_rich_bar_in_color(
    on_stderr: bool, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    console = Console(stderr=on_stderr, force_terminal=True)
    with Progress(console=console, auto_refresh=False) as progress:
        task = progress.add_task("steps", total=4)
        progress.update(task, completed=3, refresh=True)
        healthy()
        progress.update(task, completed=4, refresh=True)
    assert "\x1b[32mhealthy" in terminal.getvalue()
    assert [line.split()[0] for line in terminal.lines] == ["inithealth:", "steps"]
    assert terminal.lines[0] == HEALTHY


def test_an_error_here_does_not_end_the_training(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(report: Report) -> None:
        raise ZeroDivisionError("mine")

    monkeypatch.setattr("inithealth.report.terminal.renderable", broken)
    Log().report(logging.ERROR, REPORT)
    assert "ZeroDivisionError: mine" in terminal.getvalue()


def test_a_program_without_stderr_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    healthy()
