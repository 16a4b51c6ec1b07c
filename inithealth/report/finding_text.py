"""The parts of a finding as text. Each format arranges and escapes them."""

from __future__ import annotations

from inithealth.findings import Finding, Skipped
from inithealth.layer_names import is_position


def title(finding: Finding | Skipped) -> str:
    """Return ``IH103 zero-weights``."""
    return f"{finding.code} {finding.rule}"


def headline(finding: Finding) -> str:
    """Return ``IH103 zero-weights: what was found``."""
    return f"{title(finding)}: {finding.message}"


def located(finding: Finding) -> str:
    """Return ``IH103 zero-weights in fc1``, with the root-cause layer."""
    if not finding.layers:
        return title(finding)
    name = finding.layers[0]
    return f"{title(finding)} in {f'layer {name}' if is_position(name) else name}"


def details(cause: Finding) -> dict[str, str]:
    """Return the details of a cause by label, in reading order: suppressed, why, fix, test, at."""
    known = {
        "suppressed": cause.suppressed,
        "why": cause.cause or None,
        "fix": cause.fix or None,
        "test": cause.verification or None,
        "at": cause.source or None,
    }
    return {label: text for label, text in known.items() if text is not None}


def labeled(cause: Finding, *labels: str) -> list[str]:
    """Return the details with these labels that exist, each as ``label: text``."""
    return [f"{label}: {text}" for label, text in details(cause).items() if label in labels]
