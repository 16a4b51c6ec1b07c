"""Makes layers red from the step at which an alert about their size was raised until it is resolved.

The colors of later steps compare a layer with its peers, the rule with its own first steps. Without this, a layer could
be gray in an alert. The colors of the first step depend on its findings already. Only the standard library is imported
here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from inithealth.page.step_values import packed, unpacked

_RULE = "signal-drift"  # the rule that judges sizes at later steps
_MESSAGES = {
    "the output has grown": "forward_off",
    "the gradient has grown": "gradient_off",
}  # in the messages of the rule
_RED = 2.5  # octaves: beyond the edge of red (2), and beyond the margin by which a value must exceed an edge


class _Alert(NamedTuple):
    statistic: str
    modules: Collection[Any]
    opened: int
    closed: int | None

    def covers(self, step: int) -> bool:
        return self.opened <= step and (self.closed is None or step < self.closed)


def with_alerts(
    layers: Sequence[Mapping[str, Any]], findings: Any, steps: Sequence[int], blocks: Sequence[bytes]
) -> list[bytes]:
    """Return the blocks in which the layers of alerts are red.

    Args:
        layers: of the document's structure.
        findings: of the document's state. It may have been read from a file: what is not a finding is ignored.
        steps: the recorded steps, in ascending order.
        blocks: the values of each step, as `step_values.packed` returns them.
    """
    alerts = list(_alerts(findings))
    result = []
    for step, block in zip(steps, blocks, strict=True):
        present = [alert for alert in alerts if alert.covers(step)]
        result.append(_red(block, layers, present) if present else block)
    return result


def _alerts(findings: Any) -> Iterator[_Alert]:
    for each in findings if isinstance(findings, list) else ():
        if not isinstance(each, dict) or each.get("rule") != _RULE or each.get("suppressed") is not None:
            continue
        modules, opened, closed = each.get("layers"), each.get("opened"), each.get("closed")
        if isinstance(modules, list) and isinstance(opened, int) and isinstance(closed, int | None):
            statistics = [name for words, name in _MESSAGES.items() if words in str(each.get("message"))]
            yield from (_Alert(name, modules, opened, closed) for name in statistics)


def _red(block: bytes, layers: Sequence[Mapping[str, Any]], alerts: Sequence[_Alert]) -> bytes:
    values = unpacked(block)
    for alert in alerts:
        row = values[alert.statistic]
        for place, layer in enumerate(layers):
            if layer.get("module") in alert.modules and row[place] < _RED:  # not NaN, which is not measured
                row[place] = _RED
    return packed(values)
