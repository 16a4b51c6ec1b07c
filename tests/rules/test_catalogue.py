"""The catalogue: all rules are found, documented, unique and selectable by settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

import inithealth.rules
from inithealth import Finding, Rule, Settings, Severity
from inithealth.judge.diagnose import diagnose
from inithealth.recording import Recording
from inithealth.rules import catalogue as registry
from inithealth.rules.catalogue import catalogue, refuse_unknown_options, refuse_unknown_rules
from tests.rules.folding import explains, found_by
from tests.rules.recordings import recording

# The codes in the package's files, independent of the catalogue.
BUILT_IN = sorted(
    code
    for path in Path(inithealth.rules.__path__[0]).glob("*/*.py")
    for code in re.findall(r'^    code = "(IH\d{3})"$', path.read_text(encoding="utf-8"), re.MULTILINE)
)
SCHEDULED = ("IH203", "IH303", "IH304")  # also found at later steps, where earlier findings may explain them


def test_the_rules_of_the_package_are_found_by_code() -> None:
    codes = [rule.code for rule in catalogue()]
    assert len(BUILT_IN) >= 33
    assert [code for code in codes if code in BUILT_IN] == BUILT_IN
    assert codes == sorted(codes)
    assert len({rule.name for rule in catalogue()}) == len(codes) == len(set(codes))


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.name)
def test_a_rule_is_complete(rule: type[Rule]) -> None:
    assert re.fullmatch(r"IH\d{3}", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)
    assert isinstance(rule.severity, Severity)
    assert isinstance(rule.__doc__, str)
    assert rule.explains <= {each.code for each in catalogue()}
    assert rule.code not in rule.explains
    for option, field in rule.model_fields.items():
        assert field.annotation in (int, float), option
        assert field.default is not None, option


@pytest.mark.parametrize(("cause", "symptom"), [(each, code) for each in catalogue() for code in sorted(each.explains)])
def test_a_cause_has_a_lower_rank_than_its_consequences(cause: type[Rule], symptom: str) -> None:
    follower = {rule.code: rule for rule in catalogue()}[symptom]
    later = f"{inithealth.rules.__name__}.steps." in follower.__module__ or symptom in SCHEDULED
    first = min((cause.rank, *cause.variant_ranks.values()))
    last = max((follower.rank, *follower.variant_ranks.values()))
    assert later or first < last, f"{cause.code} never comes before {symptom}"


@pytest.mark.parametrize(("cause", "symptom"), [(each, code) for each in catalogue() for code in sorted(each.explains)])
def test_consequences_of_a_rule_are_folded_under_it(cause: type[Rule], symptom: str) -> None:
    """Tested for one of its findings, at the same step or at a later one."""
    causes = [found_by(cause, variant=variant) for variant in ("", "large", "small", *cause.variant_ranks)]
    assert any(explains(cause, found, symptom, step=step) for found in causes for step in (0, 1))


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.name)
def test_a_rule_has_a_file_and_a_test_of_its_own(rule: type[Rule]) -> None:
    where = rule.__module__.removeprefix("inithealth.rules.").split(".")
    assert where[-1] == rule.name.replace("-", "_")
    assert Path(__file__).parent.joinpath(*where[:-1], f"test_{where[-1]}.py").is_file()


def test_a_rule_is_frozen_and_validates_its_options() -> None:
    rule = catalogue()[0]
    with pytest.raises(ValueError, match="frozen"):
        rule().surprise = 1  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="surprise"):
        rule(surprise=1)  # type: ignore[call-arg]


class TooManyLayers(Rule):
    """A third-party rule."""

    code = "XY001"
    name = "too-many-layers"
    severity = Severity.WARNING
    most: int = 3

    def check(self, recording: Recording) -> Iterator[Finding]:
        if len(recording.layers) > self.most:
            yield self.finding(recording.layers, f"{len(recording.layers)} layers (limit {self.most})")


def installed(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    """Simulate an installed package with these entry points."""
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points).select(group=group))
    catalogue.cache_clear()


@pytest.fixture(autouse=True)
def _own_catalogue() -> Iterator[None]:
    yield
    catalogue.cache_clear()


def point(name: str, group: str = "inithealth.rules") -> EntryPoint:
    # A test module has no importable name in importlib mode, so the entry point returns the class itself.
    class Loaded(EntryPoint):
        def load(self) -> Any:
            return globals()[name]

    return Loaded(name=name.lower(), value=f"somewhere:{name}", group=group)


def test_rules_of_other_packages_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, point("TooManyLayers"), point("Other", "another.group"))
    settings = Settings(select="XY", rules={"too-many-layers": {"most": 4}})
    report = diagnose(recording(), settings)
    assert [(found.code, found.message) for found in report.findings] == [("XY001", "5 layers (limit 4)")]
    assert {skipped.reason for skipped in report.skipped} == {"not selected"}


class SameCode(TooManyLayers):
    name = "same-code"


class SameName(TooManyLayers):
    code = "XY002"


@pytest.mark.parametrize("other", ["SameCode", "SameName"])
def test_two_rules_with_the_same_code_or_name_are_rejected(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    installed(monkeypatch, point("TooManyLayers"), point(other))
    with pytest.raises(ValueError, match=rf"{other} \(.*\) and TooManyLayers \(.*needs its own code and name"):
        catalogue()


def test_a_rule_with_two_entry_points_is_one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, point("TooManyLayers"), point("TooManyLayers"))
    assert [rule.code for rule in catalogue()].count("XY001") == 1


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({}, BUILT_IN),
        ({"select": "IH106"}, ["IH106"]),
        ({"select": ("weight-scale", "IH30")}, ["IH106", "IH301", "IH302", "IH303", "IH304", "IH305"]),
        ({"select": "ih4"}, [f"IH40{number}" for number in range(1, 10)]),
        (
            {"ignore": ("IH2", "IH3", "IH4", "zero-weights")},
            [code for code in BUILT_IN if code.startswith("IH1") and code != "IH103"],
        ),
        ({"select": "IH1", "ignore": "IH10"}, [code for code in BUILT_IN if code.startswith("IH11")]),
    ],
)
def test_rules_are_selected_by_code_prefix_and_name(settings: dict[str, Any], chosen: list[str]) -> None:
    found = [rule.code for rule in Settings.model_validate(settings).selected_rules()]
    assert [code for code in found if code in BUILT_IN] == chosen


@pytest.mark.parametrize("word", ["dead-units", "IH204", "ih204", "IH2", "XY"])
def test_a_word_is_the_name_of_a_rule_or_a_prefix_of_a_code(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    installed(monkeypatch, point("TooManyLayers"))
    refuse_unknown_rules([word])


@pytest.mark.parametrize(("word", "near"), [("dead-unit", "dead-units"), ("IH2040", "IH204"), ("initial-scale", None)])
def test_an_unknown_word_is_rejected_with_the_nearest_name_or_code(word: str, near: str | None) -> None:
    with pytest.raises(ValueError, match=f"{word}.*{near or ''}") as refused:
        refuse_unknown_rules(["weight-scale", word])
    assert near is None or f"did you mean {near!r}" in str(refused.value)


@pytest.mark.parametrize(
    ("rules", "hint"),
    [
        ({"dead-unit": {}}, "dead-units"),
        ({"dead-units": {"max_shares": 0.5}}, "max_share"),
        ({"IH204": {"max_share": 0.5}}, "dead-units"),
        ({"ih204": {"max_share": 0.5}}, "dead-units"),
        ({"weight-scale": {}, "dead-units": {"max_share": "most"}}, "max_share"),
    ],
)
def test_invalid_options_are_rejected_with_the_valid_ones(rules: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValueError, match=rf"\b{hint}\b") as refused:
        refuse_unknown_options(rules)
    assert "weight-scale" not in str(refused.value)  # no list of all names


def test_valid_options_are_accepted() -> None:
    refuse_unknown_options({"dead-units": {"max_share": 0.5}, "weight-scale": {}})


def test_options_affect_only_their_rule() -> None:
    rules = {rule.name: rule for rule in Settings(rules={"dead-units": {"max_share": 0.9}}).selected_rules()}
    assert rules["dead-units"].model_dump()["max_share"] == 0.9
    assert rules["symmetric-gradients"].model_dump()["max_share"] == 0.5


def test_the_catalogue_walks_this_package() -> None:
    homes = {rule.__module__.rpartition(".")[0].rpartition(".")[2] for rule in catalogue()}
    assert homes == {"weights", "forward", "backward", "steps"}
    assert inithealth.rules.Rule is Rule
