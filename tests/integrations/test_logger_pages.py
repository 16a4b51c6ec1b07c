"""The page as an artifact of loggers; real ones are tested with the metrics."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from inithealth.integrations.logger_pages import log_page
from tests.report.hostile import EXAMPLE


class Experiment:
    def __init__(self) -> None:
        self.logged: list[Any] = []

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def log_text(self, run: str, text: str, name: str) -> None:
        self.logged.append((run, text, name))


def logger(name: str) -> Any:
    kind = type("Own", (type(name, (), {}),), {})
    made = kind()
    made.experiment, made.run_id = Experiment(), "run"
    return made


def test_weights_and_biases_gets_html(monkeypatch: pytest.MonkeyPatch) -> None:
    html = SimpleNamespace(Html=lambda text, inject: (text, inject))
    monkeypatch.setitem(sys.modules, "wandb", html)  # type: ignore[arg-type]
    of = logger("WandbLogger")
    assert log_page(of, EXAMPLE)
    assert of.experiment.logged == [{"zz_init_health/page": (EXAMPLE.to_html(), False)}]


def test_mlflow_gets_an_artifact() -> None:
    of = logger("MLFlowLogger")
    assert log_page(of, EXAMPLE)
    assert of.experiment.logged == [("run", EXAMPLE.to_html(), "init_health.html")]


def test_a_logger_of_metrics_gets_nothing() -> None:
    of = logger("CSVLogger")
    assert not log_page(of, EXAMPLE)
    assert of.experiment.logged == []
