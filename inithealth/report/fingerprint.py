"""What tells a finding from another one, whatever line it is on and whatever was measured."""

from __future__ import annotations

import hashlib
import json

from inithealth.findings import Finding, Report


def fingerprint(report: Report, finding: Finding) -> str:
    """Of the model, the rule and the layers: 32 hexadecimal digits."""
    text = json.dumps([report.model, finding.code, sorted(finding.layers)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
