"""A dozen numbers that summarize one step over all layers."""

from __future__ import annotations

import math
from pathlib import Path

from inithealth.findings import Severity
from inithealth.recording import Step
from inithealth.tensorboard.scalars import DESCRIPTIONS, report_scalars, step_scalars
from tests.tensorboard.recordings import changed, plain, report, signal, weight_scale
from tests.tensorboard.test_summaries import values, written


def test_the_percentiles_are_over_the_layers(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(11, (0,), dict.fromkeys(range(1, 11), 0.5)))
    for share, level in (("p10", -9), ("p50", -5), ("p90", -1)):
        assert values(accumulator, f"forward_log2_rms/{share}") == {0: level}
        assert values(accumulator, f"gradient_log2_norm/{share}") == {0: level - 3}


def test_the_scalars_summarize_the_layers(tmp_path: Path) -> None:
    recording = changed(plain(10, (0,), {5: 2.0**-8}), "layers.2", dead_share=0.75)
    recording = changed(recording, "layers.9", output=signal(1.0, non_finite=1))
    accumulator = written(tmp_path, recording, weight_scale("a"), weight_scale("b", severity=Severity.WARNING))
    expected = {
        "gradient_log2_min_over_max": -8,
        "dead_share_max": 0.75,
        "error_causes": 1,
        "warning_causes": 1,
        "non_finite_layers": 1,
    }
    assert {tag: values(accumulator, tag) for tag in expected} == {tag: {0: value} for tag, value in expected.items()}


def test_unmeasured_quantities_have_no_scalar() -> None:
    assert step_scalars(Step(index=0)) == {}
    bare = changed(plain(2, (0,)), "layers.0", output=None, gradient=None, dead_share=None)
    bare = changed(bare, "layers.1", output=None, gradient=None, dead_share=None)
    assert step_scalars(bare.steps[0]) == {"non_finite_layers": 0.0}


def test_the_largest_share_of_all_layers_is_used() -> None:
    recording = changed(plain(3, (0,)), "layers.1", dead_share=0.5, saturated_share=0.125)
    found = step_scalars(changed(recording, "layers.2", saturated_share=0.25).steps[0])
    assert (found["dead_share_max"], found["saturated_share_max"]) == (0.5, 0.25)


def test_layers_with_a_non_finite_value_are_counted() -> None:
    recording = changed(plain(4, (0,)), "layers.1", gradient=signal(1.0, non_finite=1))
    recording = changed(recording, "layers.2", output=signal(math.nan))
    assert step_scalars(recording.steps[0])["non_finite_layers"] == 2.0


def test_every_scalar_is_described() -> None:
    recording = changed(plain(3, (0,)), "layers.1", saturated_share=0.125)
    names = {*step_scalars(recording.steps[0]), *report_scalars(report())}
    assert names == set(DESCRIPTIONS)


def test_only_causes_are_counted() -> None:
    consequence = weight_scale("b").model_copy(update={"role": "consequence", "explained_by": "IH106 a"})
    found = report(weight_scale("a"), consequence, weight_scale("c", severity=Severity.WARNING))
    assert report_scalars(found) == {"error_causes": 1.0, "warning_causes": 1.0}
