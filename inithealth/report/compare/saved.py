"""Saved reports and baselines: reads JSON of any origin into frozen models, or rejects it with one line."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from inithealth.findings import Report
from inithealth.report.plain import plain

_MOST_BYTES = 64 * 2**20  # a report of 10,000 layers has 30 MB

Model = TypeVar("Model", bound=BaseModel)


def read_report(path: Path) -> Report:
    """Read what ``Report.to_json`` wrote. Raises ValueError with a one-line message that names the file."""
    return read(path, Report, "report", "made by InitHealth(report_path=...) or --output-format json")


def read(path: Path, kind: type[Model], what: str, origin: str) -> Model:
    """Read a model. Raises ValueError with one line: the file, the expected content, and how to create it."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(plain(f"{path} cannot be read: {error.strerror or error}")) from None
    if len(data) > _MOST_BYTES:
        raise ValueError(plain(f"{path} has more than {_MOST_BYTES // 2**20} MiB: it is not a {what} {origin}"))
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(plain(f"{path} is not a {what} {origin}: {' '.join(said.split())[:300]}")) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(plain(f"{path} is not a {what} {origin}: {type(error).__name__}")) from None


def write(path: Path, text: str) -> None:
    """Write the whole file or nothing: a reader never sees a partial file. Raises OSError."""
    data = text.encode()
    if path.exists() and not path.is_file():  # /dev/null or a pipe must not be replaced by a file
        path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))  # keep a symbolic link
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
