"""Where the layers of a report are built, and code there that runs the operations of a cause."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

from inithealth.evidence.fix_text import code_lines
from inithealth.findings import Finding, Report
from inithealth.layer_names import is_position
from inithealth.operations import Operation
from inithealth.recording import Layer
from inithealth.report.planned_fixes import PlannedFix
from inithealth.report.source.files import SourceFiles
from inithealth.report.source.place import Ambiguous, Place, Refused

_COPIES = "IH107"  # the layers of different blocks are copies: code where one block is built would be copied too


class Insertion(NamedTuple):
    """The code of one cause for one place."""

    path: str
    place: Place
    lines: tuple[str, ...]
    cause: Finding


class _Built(NamedTuple):
    """An attribute in the source, and the instance of its class."""

    path: str
    place: Place
    name: str
    instance: str  # name of the module whose attribute it is


class BuiltLayers:
    """Finds the statements that build the layers of a report."""

    def __init__(self, report: Report, sources: SourceFiles) -> None:
        self._model, self._sources = report.model, sources
        self._by_parameter = dict(_parameters(report.layers))

    def insertions(self, plan: PlannedFix) -> list[Insertion]:
        """Return the code for a cause.

        Raises:
            Refused: there is no place for some of it, or no operations.
        """
        if not plan.operations and plan.reason:
            raise Refused(plan.reason.removeprefix(": ").removeprefix(" to "))
        try:
            return self._beside_layers(plan)
        except Ambiguous as error:
            try:
                return [self._in_model(plan)]
            except Refused:
                raise error from None

    def _beside_layers(self, plan: PlannedFix) -> list[Insertion]:
        """Return the code for the places where the layers are built."""
        groups: dict[tuple[str, Place], dict[str, list[Operation]]] = defaultdict(lambda: defaultdict(list))
        names: dict[tuple[str, Place], set[str]] = defaultdict(set)
        for operation in plan.operations:
            built = self._place_of(operation.parameter)
            below = operation.parameter[len(built.instance) :].lstrip(".")
            ours = operation.model_copy(update={"parameter": below})
            groups[built.path, built.place][built.instance].append(ours)
            names[built.path, built.place].add(built.name)
        for (path, place), by_instance in groups.items():
            self._refuse_initialized_again(path, place, names[path, place], by_instance)
        return [self._insertion(path, place, each, plan.cause) for (path, place), each in groups.items()]

    def _insertion(self, path: str, place: Place, by_instance: dict[str, list[Operation]], cause: Finding) -> Insertion:
        first, *others = by_instance.values()
        where = f"{place.owner} in {path}"
        if any(set(other) != set(first) for other in others):
            raise Ambiguous(f"the fix differs between the instances of {where}")
        untouched = {each.instance for each in self._all if (each.path, each.place) == (path, place)} - set(by_instance)
        if untouched:
            raise Ambiguous(f"{where} also builds {_listed(untouched)}, which the fix does not change")
        if others and cause.code == _COPIES:
            raise Ambiguous(f"the instances of {where} are copies, which are made outside of the class")
        lists = self._lists(place, next(iter(by_instance)))
        return Insertion(path, place, tuple(code_lines(first, "self", lists)), cause)

    def _in_model(self, plan: PlannedFix) -> Insertion:
        """Return the code for the end of the constructor of the whole model, which runs last."""
        found = list[tuple[str, Place]]()
        for path in self._paths:
            with suppress(Refused):
                found.append((path, self._sources.constructor(path, self._model)))
        parts = [operation.parameter.split(".") for operation in plan.operations]
        own = {each.name for each in self._all if not each.instance}
        if len(found) != 1 or any(each[0] not in own.union(found[0][1].attributes) for each in parts):
            raise Refused(f"the constructor of {self._model} is not found")
        path, place = found[0]
        self._refuse_initialized_again(path, place, {part for each in parts for part in each[:-1] or each}, [""])
        return Insertion(path, place, tuple(code_lines(plan.operations, "self", self._lists(place, ""))), plan.cause)

    def _lists(self, place: Place, instance: str) -> dict[str, int]:
        """Return the number of elements of the lists of modules that a place builds."""
        found: dict[str, set[int]] = defaultdict(set)
        for parameter in self._by_parameter:
            name, _, rest = parameter[len(instance) :].lstrip(".").partition(".")
            index = rest.partition(".")[0]
            is_list = re.search(rf"self\.{re.escape(name)} = (?:\w+\.)*ModuleList\(", place.code)
            if is_list and parameter.startswith(f"{instance}.".lstrip(".")) and is_position(index):
                found[name].add(int(index))
        return {name: len(each) for name, each in found.items() if max(each) == len(each) - 1}

    def _refuse_initialized_again(self, path: str, place: Place, names: set[str], instances: Collection[str]) -> None:
        """Raise Refused if code outside of the constructor, in the files of the model, may undo what is inserted."""
        names = names.union(part for each in instances for part in each.split("."))
        later = self._classes_around(instances)
        if place.owner != self._model or any(instances):
            later |= self._derived(place.owner)  # an instance may be one of a derived class
        for file in self._paths:
            for writer in self._sources.writers(file):
                if writer.attributes is not None and not writer.attributes & names:
                    continue
                if (file, writer.owner) == (path, place.owner):
                    again = not writer.in_constructor and writer.attributes is None
                elif writer.owner:
                    again = writer.owner in later and (writer.in_constructor or writer.attributes is None)
                else:
                    again = True
                if again:
                    raise Ambiguous(f"{file}:{writer.line} may change the layer after {place.owner}.__init__")

    def _classes_around(self, instances: Collection[str]) -> set[str]:
        """Return the names of the classes whose modules contain one of these modules."""
        inner = [each for each in instances if each]
        around = (each for each in self._all if not each.instance or _inside(inner, each.instance))
        return {each.place.owner for each in around} | {self._model} if inner else set()

    def _derived(self, name: str) -> set[str]:
        """Return the names of the classes that are derived from one."""
        known = [pair for path in self._paths for pair in self._sources.bases(path).items()]
        found, size = {name}, 0
        while len(found) > size:
            size = len(found)
            found |= {derived for derived, bases in known if bases & found}
        return found - {name}

    @property
    def _paths(self) -> list[str]:
        """The files with the statements that build the layers."""
        return list(dict.fromkeys(each.path for each in self._all))

    @cached_property
    def _all(self) -> list[_Built]:
        """The places of all layers that have one."""
        found = []
        for parameter in self._by_parameter:
            try:
                found.append(self._place_of(parameter))
            except Refused:
                continue
        return found

    def _place_of(self, parameter: str) -> _Built:
        """Return the attribute that a parameter belongs to. Raises Refused."""
        layer = self._by_parameter.get(parameter)
        if layer is None or layer.source is None:
            raise Refused(f"the report has no source line for {parameter}")
        path, place = self._sources.place(layer.source)
        parts = parameter.split(".")
        depths = [depth for depth, part in enumerate(parts) if part in place.attributes]
        if not depths:
            raise Refused(f"{layer.source} does not build {parameter}: the file may have changed since the check")
        name = parts[depths[-1]]
        if len(depths) > 1 and (f'"{name}"' in place.code or f"'{name}'" in place.code):
            raise Refused(f"{layer.source} has {name} both as an attribute and as a key")
        return _Built(path, place, name, ".".join(parts[: depths[-1]]))


def _parameters(layers: Iterable[Layer]) -> Iterator[tuple[str, Layer]]:
    for layer in layers:
        for each in (layer.weight, layer.bias):
            if each is not None:
                yield each.name, layer


def _inside(names: Iterable[str], home: str) -> bool:
    return any(name.startswith(f"{home}.") for name in names)


def _listed(names: Iterable[str]) -> str:
    first, *others = sorted(name or "the model" for name in names)
    return f"{first} and {len(others)} more" if others else first
