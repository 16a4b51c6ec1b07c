"""pytest plugin: the fixture ``init_health``, checks by ``--inithealth-target`` without a test, and a summary.

Every pytest run imports this file, so it imports torch and the rest of the package only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from inithealth.findings import Report
    from inithealth.settings import Settings

_PROPERTY = "inithealth"  # user property of a test item: xdist transfers it, and JUnit XML contains it
_MARKER = "inithealth(**settings): settings for the init_health fixture; the fields of inithealth.Settings"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("inithealth", "initialization health")
    group.addoption(
        "--inithealth-target",
        action="append",
        default=[],
        metavar="package.module:name|path/file.py:name",
        help="check this model like `inithealth check`, without a test; may be given several times",
    )
    group.addoption("--inithealth-input", action="append", default=[], metavar="8,3,224,224[:dtype]", help="its input")
    group.addoption(
        "--inithealth-data", metavar="package.module:loader", help="its batches: a DataLoader or data module"
    )
    group.addoption("--inithealth-loss", metavar="NAME", help="its loss: cross_entropy, or package.module:function")
    group.addoption("--inithealth-select", metavar="CODES", help="judge only these rules")
    group.addoption("--inithealth-ignore", metavar="CODES", help="skip these rules")
    group.addoption("--inithealth-fail-on", choices=("error", "warning", "info", "never"), help="what fails a test")
    parser.addini("inithealth_target", "models that are always checked", type="args", default=[])
    parser.addini("inithealth_select", "rules that are judged", type="args", default=[])
    parser.addini("inithealth_ignore", "rules that are not judged", type="args", default=[])
    parser.addini("inithealth_fail_on", "what fails a test", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def init_health(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """``init_health(model, batch, loss=..., optimizer=...)``: check a model; fail the test if it is unhealthy."""

    def run(model: Any, batch: Any, **options: Any) -> Report:
        from inithealth.sessions.oneshot import check

        __tracebackhide__ = True  # pytest shows the line of the test
        marker = request.node.get_closest_marker("inithealth")
        settings = _settings(request.config, dict(marker.kwargs) if marker else {}, options.pop("settings", None))
        report = check(model, batch, settings=settings, **options)
        _add_property(request.node, report)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return run


def _settings(config: pytest.Config, marked: dict[str, Any], given: Any) -> Settings:
    """Return the settings of the call; without them, the marker's over the options' over the configuration file's."""
    from inithealth.configuration import load
    from inithealth.settings import Settings

    if given is not None:
        return Settings.model_validate(given)
    typed = {
        "select": _words(config, "select"),
        "ignore": _words(config, "ignore"),
        "fail_on": config.getoption("inithealth_fail_on") or config.getini("inithealth_fail_on"),
    }
    found = load(start=config.rootpath)
    return Settings.model_validate({**found.model_dump(), **{k: v for k, v in typed.items() if v}, **marked})


def _words(config: pytest.Config, name: str) -> list[str]:
    typed = config.getoption(f"inithealth_{name}")
    return [word.strip() for word in typed.split(",")] if typed else list(config.getini(f"inithealth_{name}"))


def _add_property(item: pytest.Item, report: Report) -> None:
    """Attach the findings to the test's result."""
    from inithealth.report.formats import rendered

    item.user_properties += [(_PROPERTY, line) for line in rendered(report, "concise").splitlines()]


class Target(pytest.Item):
    """The check of one ``--inithealth-target``."""

    def runtest(self) -> None:
        from inithealth.cli.check import Request, report_of
        from inithealth.cli.errors import BadInput
        from inithealth.report.plain import printable

        given = {name: self.config.getoption(f"inithealth_{name}") for name in ("data", "loss")}
        request = Request(self.name, self.config.getoption("inithealth_input"), **given)
        try:
            report = report_of(request, _settings(self.config, {}, None))
        except BadInput as error:
            pytest.fail(printable(f"inithealth: error: {error}"), pytrace=False)
        _add_property(self, report)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, f"inithealth: {self.name}"


class Targets(pytest.Collector):
    """The checks of all targets: one node, next to the collected folders."""

    def collect(self) -> Iterator[pytest.Item]:
        for name in _targets(self.config):
            yield Target.from_parent(self, name=name)


def _targets(config: pytest.Config) -> list[str]:
    return list(dict.fromkeys([*config.getini("inithealth_target"), *config.getoption("inithealth_target")]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    if _targets(config):
        items += Targets.from_parent(session, name="inithealth", nodeid="inithealth").collect()


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    lines = [
        line
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, line in report.user_properties
        if name == _PROPERTY and report.when == "call"
    ]
    if lines:
        terminalreporter.section("initialization health")
        for line in dict.fromkeys(lines):
            terminalreporter.line(line)
