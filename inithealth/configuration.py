"""``[tool.inithealth]`` in ``pyproject.toml``, or ``inithealth.toml``: the settings of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inithealth import saved
from inithealth.report.plain import plain
from inithealth.settings import Settings
from inithealth.toml_text import parsed

_OWN, _SHARED = "inithealth.toml", "pyproject.toml"
_MOST_BYTES = saved.MIB  # a file of settings has some kB


def load(path: str | Path | None = None, *, isolated: bool = False, start: str | Path | None = None) -> Settings:
    """Return the settings of a file, or of the nearest one in a parent folder; the defaults if there is none.

    Args:
        path: a TOML file with the settings in ``[tool.inithealth]``, or at the top level without that table.
        isolated: do not search for a file.
        start: the folder where the search starts; the current one by default.

    Raises:
        ValueError: the file cannot be read, is not valid TOML, or has an unknown setting or an invalid value.
    """
    if path is not None:
        found: tuple[Path, dict[str, Any]] | None = (Path(path), _section(Path(path), whole=True) or {})
    else:
        found = None if isolated else _nearest(Path(start or Path.cwd()).resolve())
    if found is None:
        return Settings()
    where, values = found
    try:
        return Settings.model_validate(values)
    except ValueError as error:
        raise ValueError(plain(f"{where}: {error_message(error)}")) from None


def _nearest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    for home in (folder, *folder.parents):
        for name in (_OWN, _SHARED):
            file = home / name
            section = _section(file, whole=name == _OWN) if file.is_file() else None
            if section is not None:
                return file, section
    return None


def _section(file: Path, *, whole: bool) -> dict[str, Any] | None:
    """Return the settings in a file; None if it has none."""
    try:
        content = parsed(saved.read(file, _MOST_BYTES).decode("utf-8"))
    except OSError as error:
        raise ValueError(plain(f"{file} cannot be read: {error.strerror or error}")) from None
    except UnicodeDecodeError as error:
        raise ValueError(plain(f"{file} is not valid TOML: {error}")) from None
    except ValueError as error:
        raise ValueError(plain(f"{file} {error}")) from None
    tool = content.get("tool", {})
    section = tool.get("inithealth") if isinstance(tool, dict) else None
    if section is None:
        return content if whole else None
    if not isinstance(section, dict):
        raise ValueError(plain(f"{file}: tool.inithealth must be a table"))
    return section


def error_message(error: ValueError) -> str:
    """Return what is wrong with a value, in one line; of a pydantic error, the first error."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
