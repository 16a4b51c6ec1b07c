"""Mutants that no test can tell from the source, as "path: before -> after", each with the reason."""

EQUIVALENT: dict[str, str] = {}
