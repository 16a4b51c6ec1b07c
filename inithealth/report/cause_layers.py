"""The root-cause layers of a report, and the rules that found something in them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from inithealth.findings import Finding, Report, Severity
from inithealth.recording import Layer


def rules_of_causes(report: Report) -> dict[str, frozenset[str]]:
    """Return the names of the rules that found something in each root-cause layer, by layer name.

    Suppressed and info findings are left out, and so are layers in which a finding is only a consequence of a cause
    elsewhere.
    """
    causes, layers = _alarming(report), _by_module(report)
    found = {layer.name: frozenset([cause.rule]) for cause in causes for layer in _meant(cause, layers)}
    for finding in (*causes, *(each for cause in causes for each in report.consequences(cause))):
        for layer in _meant(finding, layers):
            if layer.name in found:
                found[layer.name] |= {finding.rule}
    return found


def first_layers(report: Report) -> list[Layer]:
    """Return the root-cause layer of each error and warning that is not suppressed."""
    layers = _by_module(report)
    return [layer for cause in _alarming(report) for layer in [*_meant(cause, layers)][:1]]


def _meant(finding: Finding, layers: Mapping[str, Sequence[Layer]]) -> Iterator[Layer]:
    """Yield the layers of the modules in a finding; for a module with several layers, those in its message."""
    said = set(re.split(r"[\s,:;()]+", finding.message))
    for module in finding.layers:
        named = [layer for layer in layers.get(module, ()) if layer.name in said]
        yield from named if named and "..." not in said else layers.get(module, ())


def _by_module(report: Report) -> dict[str, list[Layer]]:
    layers: dict[str, list[Layer]] = defaultdict(list)
    for layer in report.layers:
        layers[layer.module].append(layer)
    return layers


def _alarming(report: Report) -> list[Finding]:
    return [cause for cause in report.causes if cause.severity > Severity.INFO and cause.suppressed is None]
