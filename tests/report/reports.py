"""Synthetic reports of a few layers and findings, to test how they are shown."""

from __future__ import annotations

from typing import Any

from inithealth import Finding, Report, Severity
from inithealth.recording import Layer
from tests.rules.recordings import layer, measured, stack


def cause(*layers: str, severity: Severity = Severity.ERROR, **more: Any) -> Finding:
    known = {"code": "IH106", "rule": "weight-scale", "message": "too large"}
    return Finding.model_validate({**known, "severity": severity, "layers": layers, **more})


def follows(of: Finding, *layers: str, **more: Any) -> Finding:
    known = {"code": "IH202", "rule": "exploding-activations", "role": "consequence", "explained_by": of.key}
    return cause(*layers, **{**known, **more})


def report(*findings: Finding, **more: Any) -> Report:
    layers = more.pop("layers", stack())
    known = {"model": "MLP", "findings": findings, "layers": layers, "measurements": measured(layers)}
    return Report.model_validate({**known, **more})


def blocks(amount: int, **changes: dict[str, Any]) -> tuple[Layer, ...]:
    """Return blocks of a norm and two linear layers; ``changes`` are by layer name, with ``_`` for dots."""
    layers: list[Layer] = []
    for number in range(amount):
        for last in ("norm", "attn.qkv", "attn.proj"):
            name = f"blocks.{number}.{last}"
            kind = {"kind": "norm", "type_name": "LayerNorm"} if last == "norm" else {}
            more = {**kind, **changes.get(name.replace(".", "_"), {})}
            layers.append(layer(name, len(layers), **more))
    return tuple(layers)
