"""Identifies a finding across runs, independent of its line and of the measured values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

from inithealth.findings import Finding, Report

Spot = tuple[str, str | None]  # code and layer; None for the whole network


class Located(Protocol):
    """A finding, or an entry of a baseline."""

    @property
    def code(self) -> str: ...

    @property
    def layers(self) -> tuple[str, ...]: ...


def spots(finding: Located) -> Sequence[Spot]:
    """Return one spot per layer: a cause that lost its first layer is the same cause on the others."""
    return [(finding.code, layer) for layer in finding.layers or (None,)]


def fingerprint(report: Report, finding: Finding) -> str:
    """Return 32 hexadecimal digits that identify the model, the rule and the layers."""
    text = json.dumps([report.model, finding.code, sorted(finding.layers)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
