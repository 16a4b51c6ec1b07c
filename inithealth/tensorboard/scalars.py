"""Eight numbers that summarize one step over all layers, instead of one chart per layer."""

from __future__ import annotations

from inithealth.findings import Report, Severity
from inithealth.page.levels import READINGS, finite, levels
from inithealth.recording import Step

GROUP = "zz_init_health/"  # prefix of the tags: dashboards sort them after the user's own
SPREADS = {"forward": "forward_log2_rms", "gradient": "gradient_log2_norm"}  # tag of each quantity's p10, p50, p90
_SHARES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
DESCRIPTIONS = {
    **{f"{SPREADS['forward']}/{share}": f"{share} over the layers: log2 of the output's rms" for share in _SHARES},
    **{
        f"{SPREADS['gradient']}/{share}": f"{share} over the layers: log2 of the L2 norm of the gradient at the output"
        for share in _SHARES
    },
    "error_causes": "findings of severity error that no other finding explains",
    "warning_causes": "findings of severity warning that no other finding explains",
}


def step_scalars(step: Step) -> dict[str, float]:
    """Return values by name, without those that were not measured, are not finite, or are the log2 of zero."""
    values: dict[str, float] = {}
    for quantity, tag in SPREADS.items():
        ranked = sorted(finite(levels(step, READINGS[quantity]).values()))
        values |= {
            f"{tag}/{name}": ranked[round(share * (len(ranked) - 1))] for name, share in _SHARES.items() if ranked
        }
    return values


def report_scalars(report: Report) -> dict[str, float]:
    """Return the number of causes by severity."""
    severities = [cause.severity for cause in report.causes]
    return {
        "error_causes": float(severities.count(Severity.ERROR)),
        "warning_causes": float(severities.count(Severity.WARNING)),
    }
