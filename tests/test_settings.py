"""Settings: watched steps, selected rules, and a clear message for every error."""

from __future__ import annotations

import re
import subprocess
import sys
from types import MappingProxyType
from typing import Any

import pytest
from torch import nn

import inithealth
from inithealth import Settings
from inithealth.settings import settings_of


def watched(settings: Settings, steps: int = 1200) -> list[int]:
    return [step for step in range(steps) if settings.watches(step)]


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [*range(10), 20, 50, 100, 200, 500, 1000]),
        ({"until": 50}, [*range(10), 20, 50]),
        ({"until": 0}, [0]),
        ({"until": None}, [*range(10), 20, 50, 100, 200, 500, 1000]),
        ({"schedule": "every"}, [*range(1001)]),
        ({"schedule": "every", "until": 3}, [0, 1, 2, 3]),
        ({"schedule": "every", "until": None}, [*range(1200)]),
        ({"schedule": 400}, [0, 400, 800]),
        ({"schedule": 400, "until": None}, [0, 400, 800]),
        ({"schedule": 1, "until": 2}, [0, 1, 2]),
        ({"schedule": 500, "until": None}, [0, 500, 1000]),
    ],
)
def test_schedule(settings: dict[str, Any], steps: list[int]) -> None:
    assert watched(Settings.model_validate(settings)) == steps


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ({}, 1000),
        ({"until": 50}, 50),
        ({"until": None}, 1000),
        ({"schedule": "every"}, 1000),
        ({"schedule": "every", "until": 7}, 7),
        ({"schedule": 400}, 1000),
    ],
)
def test_a_finished_schedule_gives_the_reason(settings: dict[str, Any], last: int) -> None:
    made = Settings.model_validate(settings)
    assert not made.finished(last)
    assert made.finished(last + 1)


@pytest.mark.parametrize("schedule", ["every", 3])
def test_a_schedule_without_an_end_never_finishes(schedule: Any) -> None:
    assert not Settings(schedule=schedule, until=None).finished(10**9)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"schedule": 0}, "at least 1"),
        ({"schedule": -3}, "at least 1"),
        ({"schedule": "0"}, "at least 1"),
        ({"schedule": True}, "not True"),
        ({"schedule": False}, "not False"),
        ({"schedule": "evry"}, "unknown schedule 'evry'; did you mean 'every'?"),
        ({"schedule": "always"}, "unknown schedule 'always'; known: every, start"),
        ({"schedule": None}, "schedule"),
        ({"schedule": 2.5}, "schedule"),
        ({"until": -1}, "until"),
        ({"until": True}, "not True"),
        ({"until": "soon"}, "until"),
        ({"sample_bytes": 10}, "sample_bytes"),
        ({"sample_bytes": True}, "not True"),
        ({"fail_on": "errors"}, "fail_on"),
        ({"schedul": "every"}, "unknown setting 'schedul'; did you mean 'schedule'?"),
        ({"unitl": 3}, "unknown setting 'unitl'; did you mean 'until'?"),
        ({"failon": "info"}, "unknown setting 'failon'; did you mean 'fail_on'?"),
        (
            {"zzz": 3},
            "unknown setting 'zzz'; known: fail_on, ignore, overrides, rules, sample_bytes, schedule, select, "
            "suppress, until",
        ),
        ({"select": "IH999"}, "unknown rule 'IH999'"),
        ({"select": "dead-unit"}, "unknown rule 'dead-unit'; did you mean 'dead-units'?"),
        ({"ignore": ("IH1", "weight_scale")}, "unknown rule 'weight_scale'; did you mean 'weight-scale'?"),
        ({"select": ""}, "a blank word matches no rule and no layer"),
        ({"ignore": ("IH1", " ")}, "a blank word matches no rule and no layer"),
        ({"select": 3}, "select"),
        ({"rules": {"dead-unit": {}}}, "unknown rule 'dead-unit'; did you mean 'dead-units'?"),
        ({"rules": {"IH204": {"max_share": 0.9}}}, "options are set by rule name: use 'dead-units' instead of 'IH204'"),
        (
            {"rules": {"dead-units": {"max_shar": 0.9}}},
            "unknown option of dead-units 'max_shar'; did you mean 'max_share'?",
        ),
        ({"rules": {"dead-units": {"max_share": "many"}}}, "max_share"),
        ({"rules": {"dead-units": {"max_share": None}}}, "max_share"),
        ({"rules": {"non-finite-weights": {"max_share": 1}}}, "unknown option of non-finite-weights 'max_share'"),
        ({"rules": {"dead-units": 3}}, "rules"),
        ({"select": "IH1", "rules": {"dead-units": {"max_share": "many"}}}, "max_share"),
    ],
)
def test_an_error_suggests_the_valid_name(settings: dict[str, Any], shown: str) -> None:
    with pytest.raises(ValueError, match=re.escape(shown)):
        Settings(**settings)


def test_one_word_is_a_tuple_of_one() -> None:
    assert Settings(select="IH1").select == ("IH1",)
    assert Settings(ignore=["IH1", "dead-units"]).ignore == ("IH1", "dead-units")


@pytest.mark.parametrize(
    ("settings", "judged"),
    [
        ({}, True),
        ({"select": "IH204"}, True),
        ({"select": "ih20"}, True),
        ({"select": "dead-units"}, True),
        ({"select": "IH1"}, False),
        ({"ignore": "IH2"}, False),
        ({"ignore": "dead-units"}, False),
        ({"select": "IH2", "ignore": "IH204"}, False),
        ({"ignore": "IH1"}, True),
    ],
)
def test_selection(settings: dict[str, Any], judged: bool) -> None:
    assert Settings.model_validate(settings).selects("IH204", "dead-units") is judged


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().until = 3  # type: ignore[misc]


def test_settings_are_restored_from_json_and_python() -> None:
    settings = Settings(schedule=7, until=None, select="IH1", rules={"zero-weights": {"max_zero_units": 0.4}})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert Settings.model_validate(settings.model_dump()) == settings


def test_the_defaults_import_neither_torch_nor_the_rules() -> None:
    made = "import sys; from inithealth import Settings; Settings(until=3)"
    code = f"{made}; print({{'torch', 'inithealth.rules'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("given", [None, {"fail_on": "info", "until": 7}, Settings(fail_on="info", until=7)])
def test_keywords_replace_settings(given: Any) -> None:
    chosen = settings_of(given, {"fail_on": "warning", "schedule": "every"})
    assert (chosen.fail_on, chosen.schedule) == ("warning", "every")
    assert chosen.until == (1000 if given is None else 7)
    assert settings_of(given) == Settings.model_validate(given or {})
    assert settings_of(MappingProxyType({"until": 3})).until == 3


@pytest.mark.parametrize(
    ("keyword", "near"), [("schedul", "schedule"), ("failon", "fail_on"), ("on_unhealty", "on_unhealthy")]
)
def test_a_misspelled_keyword_is_rejected_with_the_nearest(keyword: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown setting '{keyword}'; did you mean '{near}'?"):
        inithealth.InitHealth(**{keyword: "every"})
    if near != "on_unhealthy":
        with pytest.raises(ValueError, match=f"unknown setting '{keyword}'; did you mean '{near}'?"):
            inithealth.watch(nn.Linear(2, 2), **{keyword: "every"})


def test_public_functions_accept_mappings_and_keywords() -> None:
    net = nn.Linear(2, 2)
    assert inithealth.watch(net, settings={"schedule": "every"}).settings.schedule == "every"
    assert inithealth.watch(net, schedule="every", until=3).settings.until == 3
    assert inithealth.Monitor(net, settings={"schedule": 7}).settings.schedule == 7
    assert inithealth.InitHealth(schedule="every", fail_on="warning").settings == Settings(
        schedule="every", fail_on="warning"
    )
    with pytest.raises(ValueError, match="unknown schedule 'evry'; did you mean 'every'"):
        inithealth.watch(net, settings={"schedule": "evry"})
