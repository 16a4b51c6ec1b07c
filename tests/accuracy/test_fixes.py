"""Tests of the benchmark of fixes: the sample, the shares and the table."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from benchmarks.faults.labels import Losses, margin, worse
from benchmarks.fixes.sample import fault_of, in_parameters, stratified
from benchmarks.fixes.scored import SHARES, Outcome
from benchmarks.fixes.table import missed, table
from benchmarks.judging.entries import Entry

HOST: list[Losses] = [{"guess": 2.0, "sgd": 1.0 + i / 1000, "adam": 1.0 - i / 1000} for i in range(4)]
MUTANT: Losses = {"guess": 2.0, "sgd": 1.8, "adam": 1.7}
GOOD: Losses = {"guess": 2.0, "sgd": 1.05, "adam": 0.8}


def entry(fault: str = "one x100", host: str = "gpt") -> Entry:
    return Entry("faults", f"{host}/{fault}", host, 0, lambda: pytest.fail("must not be built"))


def outcome(
    verified: str = "clears",
    *,
    operations: int = 1,
    after: int = 0,
    fixed: Losses | None = None,
    fault: str = "one x100",
    changes: str = "d1",
) -> Outcome:
    error = {"code": "IH106", "layers": ["body.3"], "message": "too large", "fix": "nn.init.ones_(w)"}
    error |= {"operations": operations, "verified": verified, "verification": "tried"}
    check: dict[str, Any] = {"errors": [error], "errors_after": [error] * after, "changes": changes}
    return Outcome(entry(fault), check, None if fixed is None else {"losses": fixed}, MUTANT, HOST)


def shares(*outcomes: Outcome) -> list[str]:
    lines = table(outcomes, (outcomes[0].entry.half,)).splitlines()[3:]
    return [line.rstrip(" |").split(" | ")[2].split(" = ")[0] for line in lines[: len(SHARES) // 2]]


def test_every_beginning_of_the_sample_has_different_faults_and_hosts() -> None:
    every = [entry(fault, host) for fault in ("nan", "spike", "garbage") for host in ("gpt", "llama", "vgg")]
    ordered = stratified(every)
    assert sorted(each.name for each in ordered) == sorted(each.name for each in every)
    assert ordered == stratified(reversed(every))
    first = ordered[:3]
    assert set(Counter(map(fault_of, first)).values()) == {1}
    assert set(Counter(each.family for each in first).values()) == {1}


def test_faults_of_the_inputs_and_of_the_code_change_no_parameter() -> None:
    assert in_parameters("one zero")
    assert in_parameters("infinite bias")
    assert not any(map(in_parameters, ("inputs x255", "double softmax", "logits x100", "detached")))


def test_the_shares_of_fixes() -> None:
    assert shares(outcome(fixed=GOOD)) == ["1 / 1", "1 / 1", "0 / 1", "1 / 1", "0 / 1"]
    assert shares(outcome("partly", fixed=GOOD)) == ["1 / 1", "0 / 1", "0 / 1", "1 / 1", "0 / 1"]
    assert shares(outcome(after=1)) == ["1 / 1", "0 / 1", "1 / 1", "-", "-"]
    assert shares(outcome("", operations=0, changes="")) == ["0 / 1", "0 / 1", "0 / 1", "0 / 1", "0 / 1"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_fixed_network_trains_like_its_host_with_both_optimizers(optimizer: str) -> None:
    assert shares(outcome(fixed={**GOOD, optimizer: 1.09}))[3:] == ["1 / 1", "0 / 1"]
    assert shares(outcome(fixed={**GOOD, optimizer: 1.12}))[3:] == ["0 / 1", "0 / 1"]
    assert shares(outcome(fixed={**GOOD, optimizer: 1.95}))[3:] == ["0 / 1", "1 / 1"]


def test_the_margin_is_a_tenth_of_what_the_host_learns_or_its_spread() -> None:
    assert margin(HOST, "sgd") == pytest.approx(0.1, rel=0.01)
    spread = [{"guess": 2.0, "sgd": 1.0 + i / 5} for i in range(4)]
    assert margin(spread, "sgd") == pytest.approx(3 * 0.2582, rel=0.01)
    assert worse(MUTANT, HOST, "sgd")
    assert not worse(GOOD, HOST, "sgd")


def test_faults_outside_the_parameters_are_left_out_of_the_lower_half() -> None:
    lines = table([outcome(), outcome("", operations=0, fault="detached")], ("fitted",)).splitlines()
    assert "| 1 / 2 = 50.0%" in lines[3]
    assert "| 1 / 1 = 100.0%" in lines[3 + len(SHARES) // 2]


def test_each_miss_is_listed_with_its_reason() -> None:
    text = missed([outcome("partly", fixed={**GOOD, "sgd": 1.9})])
    assert "fixes clear all errors: 1 wrong\n  gpt/one x100 [fitted]\n      IH106 body.3: too large" in text
    assert "fixed: trains worse than the mutant: 1 wrong" in text
    assert "sgd: host 1.002, mutant 1.800, fixed 1.900" in text
