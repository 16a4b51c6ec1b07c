"""The parts of a run's document that do not change: the layers, their connections, and what is expected of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from inithealth.evidence.targets import Targets, weight_size
from inithealth.page.deviations import Deviations
from inithealth.page.document import number, rounded
from inithealth.page.levels import log2
from inithealth.recording import Layer, Recording

_FEEDS = {
    "activation": "an activation",
    "norm": "norm",
    "attention": "attention",
    "residual": "residual sum",
    "gate": "gate",
    "positions": "positions",
    "layer": "another layer",
    "loss": "loss",
    "unused": "nothing",
    "unknown": "",
}


def structure(
    recording: Recording,
    deviations: Deviations,
    found: Mapping[str, Collection[str]],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return the fields of `document.STRUCTURE`.

    Args:
        recording: with the first recorded step.
        deviations: of the same run.
        found: names of the rules that found something in a layer, by layer name.
        versions: of Python and the packages.
    """
    targets, zero = Targets(recording.layers, found), deviations.zero_starts["forward"]
    predicted = {m.layer: m.predicted for m in recording.steps[0].layers} if recording.steps else {}
    return {
        "model": recording.model,
        "optimizer": recording.optimizer,
        "exact": recording.exact,
        "versions": dict(versions),
        "layers": [_layer(layer, targets, zero=layer.name in zero) for layer in deviations.layers],
        "trunk": {"normalized": recording.trunk_normalized, "branches": recording.branches},
        "expected": {
            name: [rounded(level) for level in deviations.centers(name)] for name in ("forward", "gradient", "gain")
        },
        "theory": [_log2(predicted.get(layer.name)) for layer in deviations.layers],
        "reference": dict(deviations.sources),
    }


def _layer(layer: Layer, targets: Targets, *, zero: bool) -> dict[str, Any]:
    wanted = targets.std(layer)
    return {
        "name": layer.name,
        "module": layer.module,
        "kind": layer.kind,
        "type": layer.type_name,
        "place": layer.place,
        "shape": list(layer.shape),
        "scheme": None if layer.scheme is None else layer.scheme.text,
        "std": rounded(weight_size(layer)),
        "wantedStd": rounded(wanted) if isinstance(wanted, float) else None,
        "activation": layer.activation,
        "feeds": layer.activation or _FEEDS[layer.feeds],
        "bypassable": layer.bypassable,
        "readsTrunk": layer.reads_trunk,
        "endsBranch": layer.ends_branch,
        "readsNorm": layer.reads_norm,
        "head": layer.head,
        "zeroStart": zero,
        "source": layer.source,
    }


def _log2(size: float | None) -> float | None:
    return None if size is None else rounded(number(log2(size) if not math.isnan(size) else size))
