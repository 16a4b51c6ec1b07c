"""Determines which layers share a row of the layer table: repeated ones, except causes and outliers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from inithealth.evidence.targets import weight_size
from inithealth.findings import Report
from inithealth.layer_names import split_numbers, split_positions
from inithealth.recording import Layer
from inithealth.report.cause_layers import first_layers, rules_of_causes
from inithealth.report.row_names import called, row_name, tail

_MOST_NEIGHBORHOODS = 3  # causes whose neighbors have rows of their own
_DIFFERENT = 1.5  # ratio of a layer's std to that of the other members, in either direction

Role = Callable[[Layer], Hashable]


@dataclass(frozen=True)
class Row:
    """Layers that share a row.

    Attributes:
        name: the layer's name; for several ``blocks.*.fc (8)``, or ``blocks.{0-2,4}.fc (4)`` if some are elsewhere.
        layers: the layers in forward order.
        rules: names of the rules that found something, if these are root-cause layers of an error or a warning.
    """

    name: str
    layers: tuple[Layer, ...]
    rules: frozenset[str] = frozenset()

    @property
    def is_cause(self) -> bool:
        return bool(self.rules)


def unfolded(report: Report) -> list[Row]:
    """Return a row for each layer, in forward order."""
    return _rows(report, [[layer] for layer in report.layers])


def folded(report: Report, most: int) -> Iterator[list[Row]]:
    """Yield the layers in fewer and fewer rows: first repeated blocks share rows, finally all layers of a kind.

    Layers with different findings never share a row. Causes with other layers of the same role, their neighbors, and
    members whose std differs from the others have rows of their own as long as there is space.

    Args:
        report: the report with the layers.
        most: maximum number of rows; larger results are skipped, except the last one.
    """
    for role in _ROLES:
        fewest = _grouped(report, role, frozenset(), most)
        if len(fewest) <= most:
            causes = _exceptions(report, role)
            near = _neighbors(report, causes)
            for apart in (near | causes | _different(report, role), near | causes, near):
                groups = _grouped(report, role, apart, most)
                if len(fewest) < len(groups) <= most:
                    yield _rows(report, groups)
            yield _rows(report, fewest)
    yield _rows(report, _grouped(report, _ROLES[-1], frozenset(), len(report.layers)))


def _grouped(report: Report, role: Role, apart: Collection[int], most: int) -> list[list[Layer]]:
    """Group layers with equal roles and findings, except those at the indices ``apart``; stop after ``most`` groups."""
    found = rules_of_causes(report)
    groups: dict[Hashable, list[Layer]] = {}
    for place, layer in enumerate(report.layers):
        key = place if place in apart else role(layer)
        groups.setdefault((key, found.get(layer.name)), []).append(layer)
        if len(groups) > most:
            break
    return list(groups.values())


def _rows(report: Report, groups: Iterable[Sequence[Layer]]) -> list[Row]:
    found = rules_of_causes(report)
    alike = defaultdict(list)
    for name in (split_numbers(called(layer)) for layer in report.layers):
        alike[name.pattern].append(name)
    return [Row(row_name(group, alike), tuple(group), found.get(group[0].name, frozenset())) for group in groups]


def _exceptions(report: Report, role: Role) -> frozenset[int]:
    """Return the indices of root-cause layers if their role has other layers without the same findings."""
    found = rules_of_causes(report)
    states: dict[Hashable, set[Hashable]] = defaultdict(set)
    for layer in report.layers:
        states[role(layer)].add(found.get(layer.name))
    return frozenset(
        place for place, layer in enumerate(report.layers) if layer.name in found and len(states[role(layer)]) > 1
    )


def _neighbors(report: Report, causes: Collection[int]) -> frozenset[int]:
    """Return the indices of the root-cause layers of the first causes, and of the layers right before and after."""
    names = {layer.name for layer in first_layers(report)[:_MOST_NEIGHBORHOODS]}
    firsts = [place for place in causes if report.layers[place].name in names]
    return frozenset(place + step for place in firsts for step in (-1, 0, 1))


def _different(report: Report, role: Role) -> frozenset[int]:
    """Return the indices of the layers whose std is far from the median of their role."""
    sizes: dict[Hashable, dict[int, float]] = {}
    for place, layer in enumerate(report.layers):
        if (size := weight_size(layer)) is not None:
            sizes.setdefault(role(layer), {})[place] = size
    found = set()
    for members in sizes.values():
        middle = median(members.values())
        found |= {place for place, size in members.items() if not middle / _DIFFERENT <= size <= middle * _DIFFERENT}
    return frozenset(found)


def _in_block(layer: Layer) -> Hashable:
    """Return the name, with ``*`` for the numbers of the blocks that contain the layer."""
    block, dot, last = called(layer).rpartition(".")
    return layer.kind, split_numbers(block).pattern + dot + last


def _in_list(layer: Layer) -> Hashable:
    """Return the name, with ``*`` only for list positions: layers of ``stage1`` and ``stage2`` differ."""
    block, dot, last = called(layer).rpartition(".")
    return layer.kind, split_positions(block).pattern + dot + last


def _details(layer: Layer) -> Hashable:
    shape = layer.weight.shape if layer.weight is not None else ()
    return layer.type_name, shape, _scheme(layer), layer.activation, layer.feeds


def _scheme(layer: Layer) -> Hashable:
    return layer.scheme and layer.scheme.name


def _norms_together(role: Role) -> Role:
    return lambda layer: "norm" if layer.kind == "norm" else role(layer)


# From the narrowest role to the widest.
_ROLES: tuple[Role, ...] = (
    lambda layer: (_in_block(layer), _details(layer)),
    lambda layer: (layer.kind, split_positions(called(layer)).pattern, _details(layer)),
    lambda layer: (_in_list(layer), _scheme(layer)),
    _in_list,
    _norms_together(_in_list),
    _in_block,
    _norms_together(_in_block),
    _norms_together(lambda layer: (layer.kind, split_numbers(called(layer)).pattern)),
    _norms_together(lambda layer: (layer.kind, split_numbers(tail(called(layer))).pattern)),
    lambda layer: layer.kind,
)
