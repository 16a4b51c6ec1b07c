"""Records go to the user's handlers, or otherwise to the terminal."""

from __future__ import annotations

import io
import logging
import pickle

import pytest
import torch.distributed

from inithealth import Finding, Report, Severity
from inithealth.console.log import Log
from tests.console.terminal import Terminal

FINDING = Finding(code="IH204", rule="dead-units", severity=Severity.ERROR, layers=("fc1",), message="fc1 is dead")
REPORT = Report(model="Net", findings=(FINDING,))


def test_lines_are_shown_from_info_on_without_handlers(logger: logging.Logger, terminal: Terminal) -> None:
    log = Log()
    log.line(logging.DEBUG, "a detail")
    log.line(logging.INFO, "healthy at step 0 (Net, 3 layers)")
    log.line(logging.ERROR, "IH204 dead-units: fc1 is dead", finding=FINDING)
    assert terminal.lines == [
        "inithealth: healthy at step 0 (Net, 3 layers)",
        "inithealth: error: IH204 dead-units: fc1 is dead",
    ]


def test_the_logger_is_not_changed(logger: logging.Logger, terminal: Terminal) -> None:
    Log().line(logging.INFO, "healthy")
    assert (logger.handlers, logger.filters, logger.level) == ([], [], logging.NOTSET)


@pytest.mark.parametrize("level", [logging.WARNING, logging.CRITICAL])
def test_a_level_set_by_the_user_is_respected(level: int, logger: logging.Logger, terminal: Terminal) -> None:
    logger.setLevel(level)
    Log().line(logging.INFO, "healthy")
    Log().report(logging.ERROR, REPORT)
    assert bool(terminal.lines) == (level == logging.WARNING)
    assert ": healthy" not in terminal.getvalue()


def test_the_root_loggers_level_and_disabling_are_respected(
    logger: logging.Logger, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)
    Log().warning("step 0 could not be measured")
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    monkeypatch.setattr(logger.manager, "disable", logging.CRITICAL)
    Log().warning("step 1 could not be measured")
    monkeypatch.setattr(logger.manager, "disable", logging.NOTSET)
    logger.addFilter(lambda record: "step 2" not in record.getMessage())
    for step in (2, 3):
        Log().warning(f"step {step} could not be measured")
    assert terminal.lines == ["inithealth: warning: step 3 could not be measured"]


def test_notes_are_shown_only_on_request(logger: logging.Logger, terminal: Terminal) -> None:
    Log().line(logging.INFO, "IH109 pretrained-weights: trained", note=True)
    assert terminal.lines == []
    logger.setLevel(logging.INFO)
    Log().line(logging.INFO, "IH109 pretrained-weights: trained", note=True)
    assert terminal.lines == ["inithealth: IH109 pretrained-weights: trained"]


def test_a_users_handler_gets_plain_records_and_the_terminal_nothing(
    logger: logging.Logger, terminal: Terminal
) -> None:
    file = io.StringIO()
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(levelname)s %(module)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    Log().line(logging.INFO, "healthy at step 0 (Größe, 3 layers)")
    Log().report(logging.ERROR, REPORT)
    assert terminal.getvalue() == ""
    assert file.getvalue().isascii()
    healthy, report = file.getvalue().split("\n", 1)
    assert healthy == r"INFO test_log inithealth: healthy at step 0 (Gr\xf6\xdfe, 3 layers)"
    assert report == f"ERROR test_log {REPORT}\n"


def test_records_contain_the_report_and_the_finding(logger: logging.Logger) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    Log().report(logging.ERROR, REPORT)
    Log().line(logging.ERROR, "IH204", finding=FINDING)
    report, finding = (vars(record) for record in records)
    assert (report["report"], finding["finding"]) == (REPORT, FINDING)


def test_a_null_handler_silences_it(logger: logging.Logger, terminal: Terminal) -> None:
    logger.addHandler(logging.NullHandler())
    Log().report(logging.ERROR, REPORT)
    assert terminal.getvalue() == ""


def test_nothing_is_logged_if_not_verbose_or_on_other_ranks(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Log(verbose=False).report(logging.ERROR, REPORT)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    Log().warning("step 0 could not be measured")
    assert caplog.records == []


def test_it_can_be_copied_with_its_owner() -> None:
    assert not pickle.loads(pickle.dumps(Log(verbose=False))).verbose
