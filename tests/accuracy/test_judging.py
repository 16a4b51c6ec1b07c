"""Tests of the accuracy benchmark: stored results, halves, intervals, and the scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.faults import FAULTS
from benchmarks.judging.entries import Entry
from benchmarks.judging.halves import SEEN_BEFORE, half
from benchmarks.judging.intervals import wilson
from benchmarks.judging.kept import Kept
from benchmarks.judging.scored import MEASURES, Judged, count
from benchmarks.judging.verdicts import ReportedCause, Verdict

ERROR = ReportedCause("error", "IH106", ("body.3.weight_holder", "body.4"), "too large")
WARNING = ReportedCause("warning", "IH206", ("body.3",), "alike")


def judged(
    truth: str, *causes: ReportedCause, part: str = "faults", cause_layers: tuple[str, ...] = ("body.3",)
) -> Judged:
    fault = next(fault for fault in FAULTS if fault.name == "one x100") if part == "faults" else None
    entry = Entry(part, "net/one x100", "net", 0, lambda: pytest.fail("must not be built"))
    return Judged(entry, truth, Verdict(causes), fault, cause_layers)


def wrong(title: str, *networks: Judged) -> tuple[int, int]:
    measure = next(measure for measure in MEASURES if measure.title == title)
    selected, found = count(measure, networks)
    return len(selected), len(found)


def test_stored_results_are_loaded_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "results" / "some.jsonl")
    kept.add("a", {"value": 1})
    kept.add("b", {"value": 2})
    kept.add("a", {"value": 3})
    again = Kept(kept.path)
    assert list(again) == ["a", "b"]
    assert again.get("a") == {"value": 3}
    assert again.get("c") is None


def test_a_family_is_always_in_the_same_half() -> None:
    halves = [half("healthy", f"family {i}") for i in range(400)]
    assert halves == [half("healthy", f"family {i}") for i in range(400)]
    assert 150 < halves.count("held out") < 250
    assert half("healthy", "resnet") == half("forecast", "resnet")


def test_hosts_used_to_write_the_rules_are_never_held_out() -> None:
    assert {half("faults", name) for name in SEEN_BEFORE} == {"fitted"}


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # R: binom::binom.confint(part, whole, methods = "wilson")
    [(0, 100, 0.0, 0.0370), (5, 50, 0.0435, 0.2136), (50, 50, 0.9287, 1.0)],
)
def test_the_interval_is_wilsons(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=2e-4)


def test_a_failed_fault_requires_an_error_and_a_slowed_one_a_warning() -> None:
    title = "harmful faults found"
    assert wrong(title, judged("failed", ERROR), judged("lost", ERROR), judged("slowed", WARNING)) == (3, 0)
    assert wrong(title, judged("failed", WARNING), judged("lost"), judged("slowed")) == (3, 3)
    assert wrong(title, judged("benign", ERROR), judged("mixed")) == (0, 0)


def test_an_error_on_a_trainable_network_is_a_false_alarm_and_a_warning_is_not() -> None:
    assert wrong("benign faults: error", judged("benign", ERROR), judged("benign", WARNING)) == (2, 1)
    assert wrong("healthy: error", judged("healthy", WARNING, part="healthy")) == (1, 0)
    assert wrong("healthy: warning or error", judged("healthy", WARNING, part="healthy")) == (1, 1)


def test_a_single_cause_lists_the_root_cause_layer_first() -> None:
    title = "harmful faults: one cause, root-cause layer first"
    assert wrong(title, judged("failed", ERROR, cause_layers=("body.3.weight_holder",))) == (1, 0)
    assert wrong(title, judged("failed", ERROR, cause_layers=("body.3",))) == (
        1,
        0,
    )  # a submodule of the root-cause layer
    assert wrong(title, judged("failed", ERROR, cause_layers=("body.30",))) == (1, 1)
    assert wrong(title, judged("failed", ERROR, WARNING)) == (1, 1)


def test_the_rule_is_correct_if_it_names_the_fault() -> None:
    title = "harmful faults: right rule"
    assert wrong(title, judged("failed", ERROR), judged("failed", WARNING), judged("failed")) == (3, 2)


def test_a_broken_verdict_counts_as_wrong() -> None:
    entry = Entry("healthy", "net", "net", 0, lambda: pytest.fail("must not be built"))
    assert wrong("healthy: error", Judged(entry, "healthy", Verdict(broken="it raised"))) == (1, 1)
