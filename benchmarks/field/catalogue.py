"""All cases, by name."""

from __future__ import annotations

import importlib
import pkgutil

from . import cases
from .case import Case


def every_case() -> dict[str, Case]:
    """The `CASE` of each module in `cases`, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))
    found = [importlib.import_module(f"{cases.__name__}.{name}").CASE for name in names]
    return {case.name: case for case in found}
