"""Which layers have the same role: what their authors initialize alike, or what is compared with each other.

Each function returns a key that is equal for layers of the same role. There are several, since questions differ:

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
from inithealth.theory.gains import wanted_gain

_PARAMETRIZED = "Parametrized"  # torch renames the class of a module that computes its weight; it is the same class
_TELLING_PARTS = 3  # of a name, at its end: the module that holds the layer, the layer and its parameter


def grouped(layers: Iterable[Layer], key: Callable[[Layer], Hashable]) -> list[list[Layer]]:
    """Layers with equal keys together, in the order of their first."""
    groups: dict[Hashable, list[Layer]] = defaultdict(list)
    for layer in layers:
        groups[key(layer)].append(layer)
    return list(groups.values())


def block_role(layer: Layer) -> Hashable:
    """Equal for layers that repeat each other in a list of modules: class, name without positions, and shape.

    Numbers that are written into a word count: ``blocks.0.fc1`` and ``blocks.0.fc2`` are the first and the last
    layer of a branch even where both are square, and only the last is scaled by the depth.
    """
    return layer.type_name, words(layer.name), layer.shape


def scale_role(layer: Layer) -> Hashable:
    """Equal for layers whose weights are expected to have one scale: class, end of the name, shape, what it feeds.

    Numbers written into a word do not count here, nor containers of a single module: what the output feeds
    distinguishes the layers of a block, and ``stage1.conv1`` and ``stage2.conv2`` before the same activation are peers.
    As many peers as possible are needed, since fewer than three show nothing.
    """
    known = layer.feeds != "unknown"
    return (
        layer.type_name.removeprefix(_PARAMETRIZED),
        ".".join(layer.place.split(".")[-_TELLING_PARTS:]) if known else _place_in_block(layer.module),
        layer.shape,
        layer.feeds,
        layer.ends_branch,
        round(wanted_gain(layer), 1),
    )


def _place_in_block(module: str) -> str:
    """The words of a name, and the position in the block: ``blocks.3.0`` -> ``blocks.0``, ``blocks.3`` -> ``blocks``.

    Without a graph it is not known what a layer feeds, and only its position distinguishes ``blocks.3.0`` and
    ``blocks.3.2``.
    """
    *path, last = module.split(".")
    in_block = not is_position(last) or any(map(is_position, path))
    return ".".join((*words(".".join(path)), *([last] if in_block else ())))


def author_role(layers: Sequence[Layer]) -> Callable[[Layer], Hashable]:
    """The role among these layers by who wrote the initialization: class of the layer, and the module that holds it.

    A module that holds one of the layers and no other, such as a convolution with its norm, initializes nothing of
    its own: what holds it does. The layer's own name does not count, nor does its shape: one ``_init_weights`` treats
    ``blocks.0.fc1`` and ``blocks.0.fc2`` alike.
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
    """Names of the modules that hold exactly one of the modules of these layers."""
    paths = [module.split(".") for module in {layer.module for layer in layers}]
    held = Counter(".".join(path[:end]) for path in paths for end in range(1, len(path)))
    return frozenset(name for name, amount in held.items() if amount == 1)


def level_role(layer: Layer) -> Hashable:
    """Equal for layers whose outputs are expected to have one level: kind, last word of the name, place in the flow.

    The shape does not count, unlike that of ``scale_role``: a sound initialization gives wide and narrow layers
    outputs of one level by weights of different scales.
    """
    last = without_numbers(layer.name.rpartition(".")[2])
    return layer.kind, last, layer.feeds, layer.normed, layer.ends_branch, layer.bypassable, layer.head


def copied_block(names: Sequence[str]) -> Hashable:
    """Equal for groups of copies that belong to one copied block: the name up to its number, and the numbers.

    ``layers.0.fc1``, ``layers.1.fc1`` and ``layers.0.fc2``, ``layers.1.fc2`` are of one block: (``layers.``, (0, 1)).
    Names that differ in more than numbers are a block of their own.
    """
    split = [split_numbers(name) for name in names]
    rows = [each.numbers for each in split]
    varying = differing(rows) if len({each.texts for each in split}) == 1 else []
    if not varying:
        return tuple(names)
    first = split[0]
    head = [text + number for text, number in zip(first.texts, first.numbers[: varying[0]], strict=False)]
    return "".join([*head, first.texts[varying[0]]]), tuple(tuple(row[place] for row in rows) for place in varying)
