"""Loads reports and baselines: JSON of any origin becomes a frozen model, or is rejected with one line."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from inithealth import saved
from inithealth.findings import Report
from inithealth.report.plain import plain

MOST_BYTES = 256 * saved.MIB  # a report of 10,000 layers has 30 MB

Model = TypeVar("Model", bound=BaseModel)


def read_report(path: Path) -> Report:
    """Read what ``Report.to_json`` wrote. Raises ValueError with a one-line message that names the file."""
    return read(path, Report, "report", "made by InitHealth(report_path=...) or --output-format json")


def read(path: Path, kind: type[Model], what: str, origin: str) -> Model:
    """Read a model. Raises ValueError with one line: the file, the expected content, and how to create it."""
    try:
        data = saved.read(path, MOST_BYTES)
    except OSError as error:
        raise ValueError(plain(f"{path} cannot be read: {error.strerror or error}")) from None
    except ValueError as error:
        raise ValueError(plain(f"{path} {error}: it is not a {what} {origin}")) from None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(plain(f"{path} is not a {what} {origin}: {' '.join(said.split())[:300]}")) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(plain(f"{path} is not a {what} {origin}: {type(error).__name__}")) from None
