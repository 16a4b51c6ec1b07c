"""The flow of a network as a table with one line per layer, for comparisons.

A line reads ``name kind fan_in>fan_out feeds marks scales``. ``feeds`` is the first target of the output, with the
activation after it behind a colon. ``scales`` are the learned scales after it, without the name of the layer's parent.
The marks: ``N`` reads a norm, ``T`` reads the trunk, ``E`` ends a branch, ``B`` is bypassable, ``H`` is a head, ``x3``
packs three projections.
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
    """Return the lines of a table; scales may be omitted."""
    lines = [row.split() for row in text.strip().splitlines()]
    return [(*row, "") if len(row) == 5 else tuple(row) for row in lines]
