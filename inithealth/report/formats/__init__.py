"""The output formats, one module each, with the format's name. Its function ``render`` returns a report as text.

Modules are found by their files: a new format needs no other change. Each is imported only when it is used.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inithealth.findings import Report

FORMATS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
DEFAULT = "table"
# The format of a file whose name alone decides it.
BY_SUFFIX = {".json": "json", ".html": "html", ".htm": "html"}


def format_of(path: Path) -> str:
    """Return the format that a file's name stands for. Raises ValueError if its suffix is not one of `BY_SUFFIX`."""
    if path.suffix.lower() not in BY_SUFFIX:
        ending = f"not in {path.suffix!r}" if path.suffix else f"{path.name!r} has no suffix"
        raise ValueError(f"must end in .json (data) or .html or .htm (the page), {ending}")
    return BY_SUFFIX[path.suffix.lower()]


def rendered(report: Report, name: str) -> str:
    """Return the report in that format, without a newline at the end. Raises KeyError for an unknown format."""
    if name not in FORMATS:
        raise KeyError(name)
    text: str = import_module(f"{__name__}.{name}").render(report)
    return text
