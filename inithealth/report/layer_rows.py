"""Which layers share a row of the layer table: those that repeat each other, except causes and what differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from inithealth.evidence.targets import weight_size
from inithealth.findings import Finding, Report, Severity
from inithealth.layer_names import NumberedName, differing, split_numbers, split_positions, without_numbers, words
from inithealth.recording import Layer

_MOST_LISTED = 24  # characters of a list of numbers in a name, such as {0-2,4}: longer ones become *
_MOST_NEIGHBORHOODS = 3  # causes with neighbors in rows of their own
_DIFFERENT = 1.5  # times the std of the other members, or below it

Role = Callable[[Layer], Hashable]


@dataclass(frozen=True)
class Row:
    """Layers that are shown as one.

    Attributes:
        name: of the layer; of several ``blocks.*.fc (8)``, or ``blocks.{0-2,4}.fc (4)`` if others are in another row.
        layers: in forward order.
        rules: names of the rules that found something, if these are root-cause layers of an error or a warning.
    """

    name: str
    layers: tuple[Layer, ...]
    rules: frozenset[str] = frozenset()

    @property
    def is_cause(self) -> bool:
        return bool(self.rules)


def rules_of_causes(report: Report) -> dict[str, frozenset[str]]:
    """Return the names of the rules that found something in each root-cause layer, by module.

    Layers of a finding that is suppressed or only informs are left out, and those in which a finding only follows from
    a cause elsewhere.
    """
    causes = _causes(report)
    found: dict[str, frozenset[str]] = {name: frozenset() for cause in causes for name in cause.layers}
    for finding in (*causes, *(each for cause in causes for each in report.consequences(cause))):
        for name in found.keys() & set(finding.layers):
            found[name] |= {finding.rule}
    return found


def unfolded(report: Report) -> list[Row]:
    """Return a row for each layer, in forward order."""
    return _rows(report, [[layer] for layer in report.layers])


def folded(report: Report, most: int) -> Iterator[list[Row]]:
    """Yield the layers in fewer and fewer rows: first repeated blocks share rows, at last all layers of a kind.

    Layers that differ in what was found in them never share a row. The neighbors of a cause, and members with another
    std than the others, have rows of their own as long as there is room.

    Args:
        report: whose layers.
        most: rows; what needs more is left out, except the last.
    """
    near = _neighbors(report)
    for role in _ROLES:
        fewest = _grouped(report, role, frozenset())
        if len(fewest) <= most:
            for apart in (near | _different(report, role), near):
                groups = _grouped(report, role, apart)
                if len(fewest) < len(groups) <= most:
                    yield _rows(report, groups)
            yield _rows(report, fewest)
    yield _rows(report, fewest)


def _grouped(report: Report, role: Role, apart: Collection[int]) -> list[list[Layer]]:
    """Layers with equal roles and findings together, except those at the places ``apart``."""
    found = rules_of_causes(report)
    groups: dict[Hashable, list[Layer]] = {}
    for place, layer in enumerate(report.layers):
        key = place if place in apart else role(layer)
        groups.setdefault((key, found.get(layer.module)), []).append(layer)
    return list(groups.values())


def _rows(report: Report, groups: Iterable[Sequence[Layer]]) -> list[Row]:
    found = rules_of_causes(report)
    alike = defaultdict(list)
    for name in (split_numbers(_called(layer)) for layer in report.layers):
        alike[name.pattern].append(name)
    return [Row(_name(group, alike), tuple(group), found.get(group[0].module, frozenset())) for group in groups]


def _causes(report: Report) -> list[Finding]:
    return [cause for cause in report.causes if cause.severity > Severity.INFO and cause.suppressed is None]


def _neighbors(report: Report) -> frozenset[int]:
    """Places of the root-cause layer of each of the first causes, and of the layers right before and after it."""
    places = {layer.module: place for place, layer in reversed([*enumerate(report.layers)])}
    firsts = [places[cause.layers[0]] for cause in _causes(report) if cause.layers and cause.layers[0] in places]
    return frozenset(place + step for place in firsts[:_MOST_NEIGHBORHOODS] for step in (-1, 0, 1))


def _different(report: Report, role: Role) -> frozenset[int]:
    """Places of the layers whose std is far from the median of their role."""
    sizes: dict[Hashable, dict[int, float]] = {}
    for place, layer in enumerate(report.layers):
        if (size := weight_size(layer)) is not None:
            sizes.setdefault(role(layer), {})[place] = size
    found = set()
    for members in sizes.values():
        middle = median(members.values())
        found |= {place for place, size in members.items() if not middle / _DIFFERENT <= size <= middle * _DIFFERENT}
    return frozenset(found)


def _called(layer: Layer) -> str:
    """The layer's name; that of the parameter for what a module holds beside its layers, such as positions."""
    return layer.weight.name if layer.weight is not None and layer.kind in ("scale", "other") else layer.name


def _name(layers: Sequence[Layer], alike: Mapping[str, Sequence[NumberedName]]) -> str:
    """Return what a row is called; ``alike``: the names of all layers of the network, by pattern."""
    names = [_called(layer) for layer in layers]
    if len(names) == 1:
        return names[0]
    amount = f" ({len(names)})"
    split = [split_numbers(name) for name in names]
    if len({name.texts for name in split}) == 1:
        return _starred(split, alike[split[0].pattern]) + amount
    lasts = {_last_word(name) for name in names}
    return f"*.{lasts.pop()}*{amount}" if len(lasts) == 1 else f"{layers[0].kind} layers{amount}"


def _last_word(name: str) -> str:
    """The last part of the name that is no position, without its numbers."""
    return without_numbers((words(name) or ("",))[-1])


def _starred(names: Sequence[NumberedName], alike: Sequence[NumberedName]) -> str:
    """The names as one, with ``*`` or a list for the numbers that vary.

    Args:
        names: that differ in numbers alone.
        alike: those, and others that also do: if ``*`` stands for some of these too, a list says which are meant.
    """
    varying = differing([name.numbers for name in names])
    numbers = _masked(names[0], varying)
    meant = sum(_masked(name, varying) == numbers for name in alike)
    if len(varying) == 1 and meant > len(names):
        listed = _ranges({int(name.numbers[varying[0]]) for name in names})
        numbers[varying[0]] = f"{{{listed}}}" if len(listed) <= _MOST_LISTED else "*"
    return names[0].filled(numbers)


def _masked(name: NumberedName, places: Collection[int]) -> list[str]:
    return ["*" if place in places else number for place, number in enumerate(name.numbers)]


def _ranges(numbers: Iterable[int]) -> str:
    """``0-2,4``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _in_block(layer: Layer) -> Hashable:
    """The name, with ``*`` for the numbers of the blocks that the layer is in."""
    block, dot, last = _called(layer).rpartition(".")
    return layer.kind, split_numbers(block).pattern + dot + last


def _in_list(layer: Layer) -> Hashable:
    """The same, with ``*`` for positions alone: layers of ``stage1`` and ``stage2`` differ."""
    block, dot, last = _called(layer).rpartition(".")
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
    lambda layer: (layer.kind, split_positions(_called(layer)).pattern, _details(layer)),
    lambda layer: (_in_list(layer), _scheme(layer)),
    _in_list,
    _norms_together(_in_list),
    _in_block,
    _norms_together(_in_block),
    _norms_together(lambda layer: (layer.kind, split_numbers(_called(layer)).pattern)),
    _norms_together(lambda layer: (layer.kind, _last_word(_called(layer)))),
    lambda layer: layer.kind,
)
