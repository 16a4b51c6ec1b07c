"""The flow of a network as a table: one line a layer, to be written out and compared.

A line reads ``name kind fan_in>fan_out feeds marks scales``. ``feeds`` is what the output meets first, and the
activation behind it after a colon. ``scales`` are the learned scales it passes, the layer's own parent left out.
The marks: ``N`` reads a norm, ``T`` reads the trunk, ``E`` ends a branch, ``B`` can be gone round, ``H`` is a head,
``x3`` holds three projections.
"""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.recording import Layer

Line = tuple[str, ...]


def line(layer: Layer) -> Line:
    weight = layer.weight
    assert weight is not None
    fans = f"{weight.fan_in}>{weight.fan_out}" if weight.fan_in is not None else "-"
    marks = {
        "N": layer.reads_norm,
        "T": layer.reads_trunk,
        "E": layer.ends_branch,
        "B": layer.bypassable,
        "H": layer.head,
        f"x{layer.packed}": layer.packed > 1,
    }
    feeds = layer.feeds + (f":{layer.activation}" if layer.activation else "")
    parent = layer.name.rpartition(".")[0]
    scales = [name.removeprefix(f"{parent}.").removesuffix(".weight") for name in layer.scales]
    shown = "".join(mark for mark, on in marks.items() if on)
    return layer.name, layer.kind, fans, feeds, shown or "-", ",".join(scales)


def table(layers: Sequence[Layer]) -> list[Line]:
    return [line(layer) for layer in layers]


def written(text: str) -> list[Line]:
    """A table written out; scales may be left away where there are none."""
    lines = [row.split() for row in text.strip().splitlines()]
    return [(*row, "") if len(row) == 5 else tuple(row) for row in lines]
