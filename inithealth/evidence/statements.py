"""Python statements on the parameters of a model; those of repeated blocks become a loop."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from inithealth.layer_names import NumberedName, differing, is_position, split_positions

Statement = Callable[[str], str]  # returns the statement that changes the parameter with this name

_FEWEST_IN_A_LOOP = 3
_INDEX = "{i}"  # placeholder for the loop index in a parameter name: no module can have this name


def code(name: str, root: str = "model") -> str:
    """Return the code for a name: ``model.layers[3].fc.weight`` for ``layers.3.fc.weight``."""
    written = root
    for part in filter(None, name.split(".")):
        if is_position(part) or part == _INDEX:
            written += f"[{part.strip('{}')}]"
        elif is_attribute(part):
            written += f".{part}"
        else:
            written = f"getattr({written}, {part!r})"
    return written


def assignment(name: str, value: str, root: str = "model") -> str:
    """Return the statement that assigns a value to a name; every name may be a target."""
    home, _, last = name.rpartition(".")
    if is_attribute(last):
        return f"{code(home, root)}.{last} = {value}"
    return f"setattr({code(home, root)}, {last!r}, {value})"


def is_attribute(part: str) -> bool:
    """Return whether ``object.part`` is code for the attribute of that name, in a class too."""
    # Python reads compatibility characters such as ligatures as others, and adds the class to a name such as `__x`.
    as_written = part.isidentifier() and unicodedata.normalize("NFKC", part) == part and not part.startswith("__")
    return as_written and not keyword.iskeyword(part)


class Run(NamedTuple):
    """Names that share a statement: one name, or those of a loop."""

    head: str  # ``for i in range(3): ``, or "" for a single name
    name: str  # with ``{i}`` for the loop's index
    names: tuple[str, ...]  # all of them, in the order in which they are changed


def runs(targets: Sequence[str]) -> list[Run]:
    """Return the names in runs; those that differ in one number become a loop."""
    alike: dict[str, list[NumberedName]] = {}
    for target in targets:
        split = split_positions(target)
        alike.setdefault(split.pattern, []).append(split)
    found = []
    for names in alike.values():
        varying = differing([name.numbers for name in names])
        if len(varying) != 1 or len(names) < _FEWEST_IN_A_LOOP:
            whole = [name.filled(name.numbers) for name in names]
            found += [Run("", name, (name,)) for name in whole]
        else:
            found.append(_loop(names, varying[0]))
    return found


def lines(statement: Statement, targets: Sequence[str]) -> list[str]:
    """Return the statement for each name; names that differ in one number become a loop."""
    return [f"{run.head}{statement(run.name)}" for run in runs(targets)]


def _loop(names: Sequence[NumberedName], place: int) -> Run:
    """Return the loop over names that differ in the number at ``place``."""
    first = names[0]

    def filled(number: str) -> str:
        return first.filled([*first.numbers[:place], number, *first.numbers[place + 1 :]])

    values = sorted(int(name.numbers[place]) for name in names)
    return Run(f"for i in {_counted(values)}: ", filled(_INDEX), tuple(filled(str(value)) for value in values))


def _counted(values: Sequence[int]) -> str:
    """Return the code of an iterable over these numbers."""
    first, last, stride = values[0], values[-1], values[1] - values[0]
    if list(values) != list(range(first, last + 1, stride)):
        return f"({', '.join(map(str, values))})"
    if stride > 1:
        return f"range({first}, {last + 1}, {stride})"
    return f"range({first}, {last + 1})" if first else f"range({last + 1})"
