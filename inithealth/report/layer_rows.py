"""Which layers share a row of the layer table: those that repeat each other, unless one of them is a cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from inithealth.findings import Report, Severity
from inithealth.layer_names import split_numbers, split_positions, without_numbers
from inithealth.recording import Layer

_MOST_LISTED = 24  # characters of a list of numbers in a name, such as {0-2,4}: longer ones become *
_MOST_NEIGHBORHOODS = 3  # causes whose neighbors get rows of their own


@dataclass(frozen=True)
class Row:
    """Layers that are shown as one.

    Attributes:
        name: of the layer; of several ``blocks.*.fc (8)``, or ``blocks.{0-2,4}.fc (4)`` if others are in another row.
        layers: in forward order.
        is_cause: whether they are root-cause layers of an error or a warning.
        rules: names of those that found something in these layers, if they are root-cause layers.
    """

    name: str
    layers: tuple[Layer, ...]
    is_cause: bool = False
    rules: frozenset[str] = frozenset()


def unfolded(report: Report) -> list[Row]:
    """A row for each layer, in forward order."""
    return _rows(report, lambda layer: layer.name, apart=frozenset())


def folded(report: Report) -> Iterator[list[Row]]:
    """The layers in fewer and fewer rows: first one each, then layers of one role, and at last one row for each kind.

    Layers that differ in what was found in them never share a row. The neighbors of a cause have their own as long as
    there is room.
    """
    yield unfolded(report)
    near = _neighbors(report)
    for role in _ROLES:
        yield _rows(report, role, apart=near)
        yield _rows(report, role, apart=frozenset())


def _rows(report: Report, role: Callable[[Layer], Hashable], apart: frozenset[str]) -> list[Row]:
    causes = _cause_layers(report)
    found = _rules_by_layer(report, causes)
    groups: dict[Hashable, list[Layer]] = {}
    for layer in report.layers:
        key = layer.name if layer.name in apart else role(layer)
        groups.setdefault((key, found.get(layer.module)), []).append(layer)
    amounts = Counter(_pattern(layer) for layer in report.layers)
    return [
        Row(
            _name(layers, is_whole=amounts[_pattern(layers[0])] <= len(layers)),
            tuple(layers),
            layers[0].module in causes,
            found.get(layers[0].module, frozenset()),
        )
        for layers in groups.values()
    ]


def _pattern(layer: Layer) -> str:
    return split_positions(layer.name).pattern


def _cause_layers(report: Report) -> frozenset[str]:
    return frozenset(name for cause in report.causes if cause.severity > Severity.INFO for name in cause.layers)


def _rules_by_layer(report: Report, causes: frozenset[str]) -> dict[str, frozenset[str]]:
    """Names of the rules that found something in each root-cause layer; elsewhere it only follows from that."""
    found: dict[str, frozenset[str]] = dict.fromkeys(causes, frozenset())
    for finding in report.findings:
        for name in causes.intersection(finding.layers):
            found[name] |= {finding.rule}
    return found


def _neighbors(report: Report) -> frozenset[str]:
    """The layers right before and after the root-cause layer of each of the first causes."""
    places = {layer.module: place for place, layer in enumerate(report.layers)}
    causes = [cause for cause in report.causes if cause.severity > Severity.INFO and cause.layers]
    firsts = [places[cause.layers[0]] for cause in causes[:_MOST_NEIGHBORHOODS] if cause.layers[0] in places]
    near = {place for first in firsts for place in (first - 1, first, first + 1)}
    return frozenset(layer.name for place, layer in enumerate(report.layers) if place in near)


def _name(layers: Sequence[Layer], is_whole: bool) -> str:
    """What a row is called; ``is_whole`` says whether it has all layers of the network that the ``*`` stands for."""
    if len(layers) == 1:
        return layers[0].name
    names = [split_positions(layer.name) for layer in layers]
    amount = f" ({len(layers)})"
    if len({name.texts for name in names}) == 1:
        columns = [
            sorted({int(number) for number in column}) for column in zip(*(n.numbers for n in names), strict=True)
        ]
        varying = [column for column in columns if len(column) > 1]
        listed = _ranges(varying[0])
        apart = len(varying) == 1 and not is_whole and len(listed) <= _MOST_LISTED
        any_of = f"{{{listed}}}" if apart else "*"
        return names[0].filled([str(c[0]) if len(c) == 1 else any_of for c in columns]) + amount
    if len({split_numbers(layer.name).texts for layer in layers}) == 1:
        return split_numbers(layers[0].name).pattern + amount
    lasts = {_last_word(layer) for layer in layers}
    return f"*.{lasts.pop()}{amount}" if len(lasts) == 1 else f"{layers[0].kind} layers{amount}"


def _ranges(numbers: Sequence[int]) -> str:
    """``0-2,4``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _last_word(layer: Layer) -> str:
    return without_numbers(layer.name.rpartition(".")[2])


def _repeated(layer: Layer) -> Hashable:
    shape = layer.weight.shape if layer.weight is not None else ()
    return _in_list(layer), layer.type_name, shape, layer.scheme and layer.scheme.name, layer.activation, layer.feeds


def _in_list(layer: Layer) -> Hashable:
    return layer.kind, _pattern(layer)


def _norms_together(role: Callable[[Layer], Hashable]) -> Callable[[Layer], Hashable]:
    return lambda layer: "norm" if layer.kind == "norm" else role(layer)


# From the narrowest role to the widest.
_ROLES: tuple[Callable[[Layer], Hashable], ...] = (
    _repeated,
    lambda layer: (_in_list(layer), layer.scheme and layer.scheme.name),
    _in_list,
    _norms_together(_in_list),
    _norms_together(lambda layer: (layer.kind, split_numbers(layer.name).pattern)),
    _norms_together(lambda layer: (layer.kind, _last_word(layer))),
    lambda layer: layer.kind,
)
