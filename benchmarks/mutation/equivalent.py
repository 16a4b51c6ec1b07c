"""Mutants that behave like the source, as "path: before -> after", each with the reason."""

EQUIVALENT: dict[str, str] = {}
