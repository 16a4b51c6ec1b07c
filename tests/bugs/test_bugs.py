"""Bugs that shipped are named, blamed on the layer that has them, and mended by what is said to type."""

from __future__ import annotations

import pytest

from inithealth import Finding, Report, Severity
from tests.bugs import nets_plain as plain
from tests.bugs import nets_transformers as transformers
from tests.bugs.nets import BUGS, Bug
from tests.rules.nets import codes, judged, typed

every_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def naming(bug: Bug, report: Report) -> list[Finding]:
    return [cause for cause in report.causes if cause.code in bug.codes]


@every_bug
@pytest.mark.parametrize("seed", range(2))
def test_the_bug_is_named_with_its_layer(bug: Bug, seed: int) -> None:
    report = bug.report(healthy=False, seed=seed)
    named = naming(bug, report)
    assert len(named) == 1, str(report)
    assert bug.blames(named[0].layers[0]), str(report)
    assert named[0].severity == bug.severity, str(report)


@every_bug
def test_nothing_else_is_an_error(bug: Bug) -> None:
    report = bug.report(healthy=False)
    others = [cause for cause in report.causes if cause not in naming(bug, report)]
    assert not [cause for cause in others if cause.severity == Severity.ERROR], str(report)


@every_bug
@pytest.mark.parametrize("seed", range(3))
def test_its_healthy_twin_is_left_in_peace(bug: Bug, seed: int) -> None:
    report = bug.report(healthy=True, seed=seed)
    assert report.measurements
    assert not [cause for cause in report.causes if cause.severity > Severity.INFO], str(report)
    assert not naming(bug, report), str(report)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.by_code], ids=lambda bug: bug.name)
def test_typing_the_fix_mends_it(bug: Bug) -> None:
    model, batch, loss = bug.built(healthy=False)
    found = naming(bug, judged(model, batch, loss))
    assert found
    typed(found[0], model)
    report = judged(model, batch, loss)
    assert found[0].code not in codes(report), str(report)
    assert report.ok, str(report)


@pytest.mark.parametrize("healthy", [True, False])
def test_a_packed_projection_drawn_as_one_matrix_is_no_alarm(healthy: bool) -> None:
    """pytorch#166378: sqrt(2) from what each of the three would have, which trains as well."""
    report = judged(*transformers.packed_projection(healthy))
    assert not [cause for cause in report.causes if cause.severity > Severity.INFO], str(report)
    assert [layer.packed for layer in report.layers if layer.module.endswith("self_attn")] == [3, 3, 3, 3]


@pytest.mark.parametrize("prior", [True, False])
def test_a_mean_over_rare_positives_is_no_alarm(prior: bool) -> None:
    """Without a prior the loss is 50 times that of the base rate here too, but it is ln 2, and so are its gradients."""
    report = judged(*plain.mean_over_rare_positives(prior))
    assert not [cause for cause in report.causes if cause.severity > Severity.INFO], str(report)
