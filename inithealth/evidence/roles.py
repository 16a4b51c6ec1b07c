"""Which layers have the same role and are compared with each other.

Each function returns a key that is equal for layers of the same role. They answer different questions:

- ``block_role``: which layers repeat each other from block to block?
- ``scale_role``: which layers are expected to have weights of one scale?
- ``author_role``: which layers did one author initialize, in one place of the code?
- ``level_role``: which layers' outputs are expected to have one level?
- ``copied_block``: which weights were copied together, as one block?
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from inithealth.layer_names import differing, is_position, split_numbers, split_positions, without_numbers, words
from inithealth.recording import Layer
from inithealth.theory.gains import target_gain

_PARAMETRIZED = "Parametrized"  # prefix that torch adds to the class name of a parametrized module
_LAST_PARTS = 3  # parts at the end of a name: the parent module, the layer and its parameter


def grouped(layers: Iterable[Layer], key: Callable[[Layer], Hashable]) -> list[list[Layer]]:
    """Return the layers grouped by equal keys, in the order of each group's first layer."""
    groups: dict[Hashable, list[Layer]] = defaultdict(list)
    for layer in layers:
        groups[key(layer)].append(layer)
    return list(groups.values())


def block_role(layer: Layer) -> Hashable:
    """Equal for layers that repeat each other in a list of modules: class, name without positions, and shape.

    Numbers that are part of a word count: ``blocks.0.fc1`` and ``blocks.0.fc2`` are the first and the last layer of a
    branch even if both are square, and only the last one is scaled by depth.
    """
    return layer.type_name, words(layer.name), layer.shape


def scale_role(layer: Layer) -> Hashable:
    """Equal for layers whose weights are expected to have one scale: class, end of the name, shape, what it feeds.

    Numbers that are part of a word do not count here, nor do containers of a single module: what the output feeds
    distinguishes the layers of a block, and ``stage1.conv1`` and ``stage2.conv2`` before the same activation are peers.
    The role is broad because fewer than three peers cannot be compared.
    """
    known = layer.feeds != "unknown"
    return (
        layer.type_name.removeprefix(_PARAMETRIZED),
        ".".join(layer.place.split(".")[-_LAST_PARTS:]) if known else _place_in_block(layer.module),
        layer.shape,
        layer.feeds,
        layer.ends_branch,
        round(target_gain(layer), 1),
    )


def _place_in_block(module: str) -> str:
    """Return the words of a name and the position in the block: ``blocks.3.0`` -> ``blocks.0``.

    Without a graph it is not known what a layer feeds, and only its position distinguishes ``blocks.3.0`` and
    ``blocks.3.2``.
    """
    *path, last = module.split(".")
    in_block = not is_position(last) or any(map(is_position, path))
    return ".".join((*words(".".join(path)), *([last] if in_block else ())))


def author_role(layers: Sequence[Layer]) -> Callable[[Layer], Hashable]:
    """Return a function that gives layers initialized by the same code the same role: layer class and parent module.

    A module with only one of the layers, such as a convolution with its normalization, is skipped: its parent
    initializes the layer. The layer's own name and shape do not count, since one ``_init_weights`` initializes both
    ``blocks.0.fc1`` and ``blocks.0.fc2``.
    """
    wrappers = _wrappers(layers)

    def role(layer: Layer) -> Hashable:
        author = layer.module.split(".")[:-1]
        depth = len(author)
        while author and ".".join(author) in wrappers:
            author.pop()
        pattern = split_positions(".".join(author)).pattern
        same_class = layer.type_name.removeprefix(_PARAMETRIZED), layer.kind, layer.groups > 1
        return *same_class, pattern, depth - len(author)

    return role


def _wrappers(layers: Iterable[Layer]) -> frozenset[str]:
    """Return the names of the modules that contain exactly one of the modules of these layers."""
    paths = [module.split(".") for module in {layer.module for layer in layers}]
    held = Counter(".".join(path[:end]) for path in paths for end in range(1, len(path)))
    return frozenset(name for name, amount in held.items() if amount == 1)


def level_role(layer: Layer) -> Hashable:
    """Equal for layers whose outputs are expected to have one level: kind, last word of the name, place in the graph.

    Unlike in ``scale_role``, the shape does not count: a good initialization gives the outputs of wide and narrow
    layers the same level with weights of different scales.
    """
    last = without_numbers(layer.name.rpartition(".")[2])
    return layer.kind, last, layer.feeds, layer.normed, layer.ends_branch, layer.bypassable, layer.head


def copied_block(names: Sequence[str]) -> Hashable:
    """Equal for groups of copies that belong to one copied block: the name up to its number, and the numbers.

    ``layers.0.fc1``, ``layers.1.fc1`` and ``layers.0.fc2``, ``layers.1.fc2`` are of one block: (``layers.``, (0, 1)).
    Names that differ in more than numbers form a block of their own.
    """
    split = [split_numbers(name) for name in names]
    rows = [each.numbers for each in split]
    varying = differing(rows) if len({each.texts for each in split}) == 1 else []
    if not varying:
        return tuple(names)
    first = split[0]
    head = [text + number for text, number in zip(first.texts, first.numbers[: varying[0]], strict=False)]
    return "".join([*head, first.texts[varying[0]]]), tuple(tuple(row[place] for row in rows) for place in varying)
