"""The output formats, one module each, with the format's name. Its function ``render`` returns a report as text.

Modules are found by their files: a new format needs no other change. Each is imported only when it is used.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inithealth.findings import Report

FORMATS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
DEFAULT = "table"


def rendered(report: Report, name: str) -> str:
    """Return the report in that format, without a newline at the end. Raises KeyError for an unknown format."""
    if name not in FORMATS:
        raise KeyError(name)
    text: str = import_module(f"{__name__}.{name}").render(report)
    return text
