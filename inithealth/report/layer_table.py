"""The layers in forward order, one a line, with the numbers that a diagnosis rests on."""

from __future__ import annotations

from inithealth.findings import Report, Severity
from inithealth.recording import Layer, Measurement
from inithealth.report.plain import plain

_MOST_LAYERS = 40  # longer nets are cut; the JSON has every layer
_ENDS = 10  # layers at either end of a cut net that are always shown
_WIDTH = 120
_NARROWEST_NAME = 18
_WIDEST_SHAPE = 12
_WIDEST_SCHEME = 26
_TEXTS = 5  # columns that are read from the left
_HEADINGS = tuple(
    ",layer,shape,scheme,feeds,std,wants,gain,theory,out rms,grad norm,used,dead".split(","),
)
_LEGEND = (
    "std: of the weight, and what its activation wants; gain: output over input rms, and what the weights predict",
    "used: directions in which the outputs differ, of those that the batch can show; dead: units that never open",
)


_GAP = "  "

Row = tuple[str, ...]


def layer_table(report: Report) -> list[str]:
    """Headings, rows, legend and an empty line; nothing where no layer is known."""
    if not report.layers:
        return []
    blamed = {name for cause in report.causes if cause.severity > Severity.INFO for name in cause.layers}
    measured = {m.layer: m for m in report.measurements}
    rows = [_row(layer, measured.get(layer.name), layer.module in blamed) for layer in report.layers]
    shown = [_HEADINGS, *_cut(rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(_HEADINGS))]
    too_wide = max(0, sum(widths) + len(_GAP) * (len(widths) - 1) - _WIDTH)
    widths[1] = min(widths[1], max(_NARROWEST_NAME, widths[1] - too_wide))
    mark = ["* blamed"] if any(row[0] for row in rows) else []
    return [*(_line(row, widths) for row in shown), "; ".join([*mark, _LEGEND[0]]), *_LEGEND[1:], ""]


def _row(layer: Layer, m: Measurement | None, blamed: bool) -> Row:
    weight = layer.weight
    return (
        "*" if blamed else "",
        plain(layer.name),
        _shortened("x".join(map(str, weight.shape)) if weight else "", _WIDEST_SHAPE),
        _shortened(layer.scheme.text if layer.scheme else "-", _WIDEST_SCHEME),
        layer.activation or layer.feeds,
        _number(None if weight is None else 0.0 if weight.constant else weight.std),
        _number(layer.wants),
        _number(m.gain if m else None),
        _number(m.predicted_gain if m else None),
        _number(m.output.rms if m and m.output else None),
        _number(m.gradient.norm if m and m.gradient else None),
        "-" if m is None or m.effective is None else f"{m.effective:.2g}/{m.width}",
        "-" if m is None or m.dead_share is None else f"{m.dead_share:.0%}",
    )


def _shortened(text: str, most: int) -> str:
    """The ends of a long name: the block's number is at its start, the layer's own name at its end."""
    if len(text) <= most:
        return text
    half = (most - 2) // 2
    return f"{text[:half]}..{text[-(most - 2 - half) :]}"


def _cut(rows: list[Row]) -> list[Row]:
    """Both ends of a long net and, between them, the first blamed layers; how many are left out where."""
    if len(rows) <= _MOST_LAYERS:
        return rows
    ends = {*range(_ENDS), *range(len(rows) - _ENDS, len(rows))}
    wanted = sorted(range(_ENDS, len(rows) - _ENDS), key=lambda place: not rows[place][0])[: _MOST_LAYERS - len(ends)]
    kept: list[Row] = []
    last = -1
    for place in sorted(ends.union(wanted)):
        left_out = place - last - 1
        if left_out:
            more = f"... {left_out} more {'layer' if left_out == 1 else 'layers'}"
            kept.append(("", more, *[""] * (len(_HEADINGS) - 2)))
        kept.append(rows[place])
        last = place
    return kept


def _line(row: Row, widths: list[int]) -> str:
    texts = [_shortened(cell, width).ljust(width) for cell, width in zip(row[:_TEXTS], widths[:_TEXTS], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[_TEXTS:], widths[_TEXTS:], strict=True)]
    return _GAP.join([*texts, *numbers]).rstrip()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
