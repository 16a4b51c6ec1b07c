"""What identifies a finding across runs, whatever line it is on and whatever was measured."""

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
    """One for each layer: a cause that lost its first layer is the same cause on the others."""
    return [(finding.code, layer) for layer in finding.layers or (None,)]


def fingerprint(report: Report, finding: Finding) -> str:
    """Of the model, the rule and the layers: 32 hexadecimal digits."""
    text = json.dumps([report.model, finding.code, sorted(finding.layers)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
