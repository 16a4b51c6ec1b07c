"""Equivalent mutants, as "path: before -> after", each with the reason."""

EQUIVALENT: dict[str, str] = {}
