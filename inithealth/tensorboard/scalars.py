"""A dozen numbers that summarize one step over all layers, instead of one chart per layer."""

from __future__ import annotations

import math

from inithealth.findings import Report, Severity
from inithealth.recording import Measurement, Step
from inithealth.tensorboard.log2_levels import finite, forward_level, gradient_level, levels_of

GROUP = "init_health/"  # prefix of the tags
SPREADS = {"forward": "forward_log2_rms", "gradient": "gradient_log2_norm"}  # tag of each quantity's p10, p50, p90
_SHARES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
DESCRIPTIONS = {
    **{f"{SPREADS['forward']}/{share}": f"{share} over the layers: log2 of the output's rms" for share in _SHARES},
    **{
        f"{SPREADS['gradient']}/{share}": f"{share} over the layers: log2 of the L2 norm of the gradient at the output"
        for share in _SHARES
    },
    "gradient_log2_min_over_max": "log2 of the smallest layer's gradient norm over the largest's",
    "dead_share_max": "largest share of dead units in a layer: zero slope for every input",
    "saturated_share_max": "largest share of saturated activations in a layer",
    "error_causes": "findings of severity error that no other finding explains",
    "warning_causes": "findings of severity warning that no other finding explains",
    "non_finite_layers": "layers with a NaN or infinite value in their output or its gradient",
}


def step_scalars(step: Step) -> dict[str, float]:
    """Return values by name, without those that were not measured, are not finite, or are the log2 of zero."""
    forward = finite(levels_of(step, forward_level).values())
    gradient = finite(levels_of(step, gradient_level).values())
    dead = finite(measurement.dead_share for measurement in step.layers)
    saturated = finite(measurement.saturated_share for measurement in step.layers)
    values = _shares(SPREADS["forward"], forward) | _shares(SPREADS["gradient"], gradient)
    if gradient:
        values["gradient_log2_min_over_max"] = min(gradient) - max(gradient)
    if dead:
        values["dead_share_max"] = max(dead)
    if saturated:
        values["saturated_share_max"] = max(saturated)
    if step.layers:
        values["non_finite_layers"] = float(sum(_is_broken(measurement) for measurement in step.layers))
    return values


def report_scalars(report: Report) -> dict[str, float]:
    """Return the number of causes by severity."""
    severities = [cause.severity for cause in report.causes]
    return {
        "error_causes": float(severities.count(Severity.ERROR)),
        "warning_causes": float(severities.count(Severity.WARNING)),
    }


def _shares(tag: str, levels: list[float]) -> dict[str, float]:
    ranked = sorted(levels)
    return {f"{tag}/{name}": ranked[round(share * (len(ranked) - 1))] for name, share in _SHARES.items() if ranked}


def _is_broken(measurement: Measurement) -> bool:
    levels = (forward_level(measurement), gradient_level(measurement))
    return any(level is not None and math.isnan(level) for level in levels)
