"""``inithealth rules`` and ``inithealth explain RULE``: the list of rules, and the page of one."""

from __future__ import annotations

import argparse
import inspect
import json
import textwrap

from pydantic.fields import FieldInfo

from inithealth.cli.errors import BadInput
from inithealth.cli.printing import shown
from inithealth.rules.base import Rule, unit_of
from inithealth.rules.catalogue import catalogue
from inithealth.suggest import unknown

_WIDTH = 100


def run(options: argparse.Namespace) -> int:
    if options.command == "explain":
        shown(page(_rule(options.rule)))
    elif options.output_format == "json":
        shown(json.dumps([_entry(rule) for rule in catalogue()], indent=2))
    else:
        shown(
            "\n".join(f"{rule.code}  {rule.severity.value:8} {rule.name:24} {_summary(rule)}" for rule in catalogue())
        )
    return 0


def page(rule: type[Rule]) -> str:
    """Return the rule's documentation, and each option with its default and meaning."""
    options = [line for name, field in rule.model_fields.items() for line in _option(name, field)]
    settings = [f"## Options\n[tool.inithealth.rules.{rule.name}]", *options] if options else []
    return "\n".join(
        [f"{rule.code} {rule.name} ({rule.severity.value})", "", inspect.getdoc(rule) or "", "", *settings]
    )


def _option(name: str, field: FieldInfo) -> list[str]:
    """Return the option as it is written in pyproject.toml with its unit, followed by its meaning."""
    unit = unit_of(field)
    indent = "    "
    meaning = textwrap.wrap(
        field.description or "", _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return [f"  {name} = {field.default!r}{f'  # {unit}' if unit else ''}", *meaning]


def _rule(word: str) -> type[Rule]:
    for rule in catalogue():
        if word.lower() in (rule.code.lower(), rule.name):
            return rule
    raise BadInput(unknown("rule", word, [name for rule in catalogue() for name in (rule.code, rule.name)]))


def _entry(rule: type[Rule]) -> dict[str, object]:
    options = {name: field.default for name, field in rule.model_fields.items()}
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.value,
        "summary": _summary(rule),
        "options": options,
        "option_units": {name: unit_of(field) for name, field in rule.model_fields.items()},
        "option_meanings": {name: field.description or "" for name, field in rule.model_fields.items()},
    }


def _summary(rule: type[Rule]) -> str:
    return (inspect.getdoc(rule) or "").partition("\n")[0]
