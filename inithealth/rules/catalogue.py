"""The list of all rules: those of this package, and those of other packages through entry points."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points

import inithealth.rules
from inithealth.rules.base import Rule
from inithealth.suggest import unknown

GROUP = "inithealth.rules"  # the entry points of this group are Rule classes


@lru_cache(maxsize=1)
def catalogue() -> tuple[type[Rule], ...]:
    """Return all rules, sorted by code.

    Raises:
        ValueError: if two rules have the same code or name.
    """
    found: dict[str, type[Rule]] = {}
    for module in pkgutil.walk_packages(inithealth.rules.__path__, "inithealth.rules."):
        for _, member in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(member, Rule) and not inspect.isabstract(member) and member.__module__ == module.name:
                _add(found, member)
    for point in entry_points(group=GROUP):
        _add(found, point.load())
    return tuple(found[code] for code in sorted(found))


def _add(found: dict[str, type[Rule]], rule: type[Rule]) -> None:
    for other in found.values():
        if other is not rule and (other.code == rule.code or other.name == rule.name):
            raise ValueError(
                f"{rule.__qualname__} ({rule.code} {rule.name}) and {other.__qualname__} ({other.code} {other.name}): "
                "each rule needs its own code and name"
            )
    found[rule.code] = rule


def refuse_unknown_rules(words: Sequence[str]) -> None:
    """Check rule names, codes and prefixes of codes.

    Raises:
        ValueError: if a word matches no rule.
    """
    known = [word for rule in catalogue() for word in (rule.name, rule.code)]
    for word in words:
        if word not in known and not any(rule.code.startswith(word.upper()) for rule in catalogue()):
            raise ValueError(unknown("rule", word, known))


def refuse_unknown_options(rules: Mapping[str, Mapping[str, object]]) -> None:
    """Check the options of rules.

    Raises:
        ValueError: if a rule or an option is unknown, or a value is not valid for its option.
    """
    names = {rule.name: rule for rule in catalogue()}
    codes = {rule.code: rule.name for rule in catalogue()}
    for name, options in rules.items():
        if name.upper() in codes:
            raise ValueError(f"options are set by rule name: use {codes[name.upper()]!r} instead of {name!r}")
        if name not in names:
            raise ValueError(unknown("rule", name, names))
        for option in options:
            if option not in names[name].model_fields:
                raise ValueError(unknown(f"option of {name}", option, names[name].model_fields))
        names[name](**options)
