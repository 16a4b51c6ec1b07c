"""Eight numbers that summarize one step over all layers."""

from __future__ import annotations

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


def test_unmeasured_and_non_finite_levels_are_left_out() -> None:
    assert step_scalars(Step(index=0)) == {}
    broken = changed(plain(2, (0,)), "layers.0", output=signal(1.0, non_finite=1), gradient=None)
    found = step_scalars(changed(broken, "layers.1", output=signal(0.0)).steps[0])
    assert set(found) == {f"gradient_log2_norm/{share}" for share in ("p10", "p50", "p90")}


def test_every_scalar_is_described() -> None:
    names = {*step_scalars(plain(3).steps[0]), *report_scalars(report())}
    assert names == set(DESCRIPTIONS)
    assert len(names) <= 8


def test_only_causes_are_counted() -> None:
    consequence = weight_scale("b").model_copy(update={"role": "consequence", "explained_by": "IH106 a"})
    found = report(weight_scale("a"), consequence, weight_scale("c", severity=Severity.WARNING))
    assert report_scalars(found) == {"error_causes": 1.0, "warning_causes": 1.0}
