"""Reports with unusual names, which the formats must handle."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from inithealth import Finding, Report, Severity
from inithealth.findings import Skipped

ANY_TEXT = st.text(max_size=30)
NASTY = st.sampled_from(
    ["<script>alert(1)</script>", "a|b`c", "::error::x", "\x1b[31mred", "]]>", "&amp;", "\ud800", "\0"]
)
TEXT = st.one_of(ANY_TEXT, NASTY)


def finding(**fields: Any) -> Finding:
    known: dict[str, Any] = {
        "code": "IH103",
        "rule": "zero-weights",
        "severity": Severity.ERROR,
        "layers": ("net.0",),
        "message": "net.0: all zero",
        "cause": "zeros stay",
        "fix": "draw them",
        "source": "nets/a.py:12",
    }
    return Finding(**{**known, **fields})


FINDINGS = st.builds(
    finding,
    code=st.sampled_from(["IH103", "IH201", "XX1"]),
    severity=st.sampled_from(Severity),
    layers=st.lists(TEXT, max_size=3).map(tuple),
    message=TEXT,
    cause=TEXT,
    fix=TEXT,
    verification=TEXT,
    source=st.one_of(st.none(), TEXT, st.integers().map(lambda line: f"a, b:c.py:{line}")),
    suppressed=st.one_of(st.none(), TEXT),
)
REPORTS = st.builds(
    Report,
    model=TEXT,
    findings=st.lists(FINDINGS, max_size=4).map(tuple),
    skipped=st.lists(st.builds(Skipped, code=TEXT, rule=TEXT, reason=TEXT), max_size=2).map(tuple),
    not_measured=st.lists(TEXT, max_size=2).map(tuple),
    notes=st.lists(TEXT, max_size=2).map(tuple),
    fail_on=st.sampled_from(["error", "warning", "never"]),
)
EXAMPLE = Report(
    model="Net",
    findings=(
        finding(),
        finding(code="IH201", rule="vanishing-activations", role="consequence", explained_by="IH103 net.0"),
        finding(code="IH104", rule="constant-weights", severity=Severity.WARNING, layers=("head",), source=None),
        finding(code="IH105", rule="duplicate-neurons", layers=("net.2",), suppressed="meant"),
    ),
    skipped=(Skipped(code="IH301", rule="vanishing-gradients", reason="no gradient"),),
)
EMPTY = Report(model="Net")
