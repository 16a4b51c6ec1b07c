"""The parts of a finding as text, which each format arranges and escapes in its own way."""

from __future__ import annotations

from inithealth.findings import Finding, Skipped
from inithealth.layer_names import is_position


def title(finding: Finding | Skipped) -> str:
    """``IH103 zero-weights``."""
    return f"{finding.code} {finding.rule}"


def headline(finding: Finding) -> str:
    """``IH103 zero-weights: what was found``."""
    return f"{title(finding)}: {finding.message}"


def located(finding: Finding) -> str:
    """``IH103 zero-weights in fc1``: with its root-cause layer."""
    if not finding.layers:
        return title(finding)
    name = finding.layers[0]
    return f"{title(finding)} in {f'layer {name}' if is_position(name) else name}"


def details(cause: Finding) -> dict[str, str]:
    """What is known of a cause besides its headline, by label, in reading order: suppressed, why, fix, at."""
    known = {
        "suppressed": cause.suppressed,
        "why": cause.cause or None,
        "fix": cause.fix or None,
        "at": cause.source or None,
    }
    return {label: text for label, text in known.items() if text is not None}


def labeled(cause: Finding, *labels: str) -> list[str]:
    """Those of its details that are known, each as ``label: text``."""
    return [f"{label}: {text}" for label, text in details(cause).items() if label in labels]
