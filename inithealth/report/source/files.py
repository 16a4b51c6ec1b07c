"""The Python files of a repository that a report points to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from inithealth import saved
from inithealth.report.source.line import SourceLine, in_repository, parsed
from inithealth.report.source.place import Place, Refused

if TYPE_CHECKING:
    from inithealth.report.source.code import SourceCode
    from inithealth.report.source.writers import Writer

_MOST_BYTES = 8 * saved.MIB


def repository() -> Path:
    """Return the repository of the current folder; the current folder if it is in none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def text_of(path: Path) -> str:
    """Return the text of a source file, with its newlines.

    Raises:
        Refused: it cannot be read, or is not UTF-8.
    """
    try:
        return saved.read(path, _MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("it is not UTF-8") from None
    except ValueError as error:
        raise Refused(f"it {error}") from None
    except OSError as error:
        raise Refused(f"it cannot be read: {error.strerror or error}") from None


class SourceFiles:
    """Reads and parses each file once.

    Args:
        root: folder that paths are relative to. None: the repository of the current folder.

    Raises:
        ImportError: libcst is not installed.
    """

    def __init__(self, root: Path | None = None) -> None:
        try:
            import libcst  # noqa: F401
        except ImportError:
            raise ImportError('edits of the source need libcst: pip install "inithealth[fix]"') from None
        self.root = (repository() if root is None else root).resolve()
        self._codes: dict[str, SourceCode | Refused] = {}
        self._places: dict[SourceLine, Place | Refused] = {}

    def place(self, source: str) -> tuple[str, Place]:
        """Return path and place for ``path:line``.

        Raises:
            Refused: the file is not in the repository, or the line has no unambiguous place.
        """
        found = in_repository(source)
        if found is None:
            raise Refused(f"{getattr(parsed(source), 'path', source)} is a library's code")
        if found not in self._places:
            self._places[found] = self._read(found)
        place = self._places[found]
        if isinstance(place, Refused):
            raise Refused(f"{found.path}: {place}")
        return found.path, place

    def constructor(self, path: str, name: str) -> Place:
        """Return the place at the end of a constructor. Raises Refused if there is not exactly one."""
        return self._code(path).constructor(name)

    def writers(self, path: str) -> tuple[Writer, ...]:
        """Return the functions of a file that initialize layers; none if it cannot be read."""
        try:
            return self._code(path).writers
        except Refused:
            return ()

    def bases(self, path: str) -> dict[str, frozenset[str]]:
        """Return the names of the base classes of each class in a file; none if it cannot be read."""
        try:
            return self._code(path).bases
        except Refused:
            return {}

    def missing_import(self, path: str, name: str) -> Iterator[tuple[int, str]]:
        """Yield line and text of the import of ``nn`` or ``math``, unless the file has it."""
        code = self._code(path)
        line = code.import_line(name)
        if line is not None:
            yield line, f"{'import math' if name == 'math' else 'from torch import nn'}{code.newline}"

    def _read(self, source: SourceLine) -> Place | Refused:
        try:
            code = self._code(source.path)
            for name in ("nn", "math"):
                code.import_line(name)
            return code.place(source.line)
        except Refused as error:
            return error

    def _code(self, path: str) -> SourceCode:
        if path not in self._codes:
            self._codes[path] = self._parsed(path)
        code = self._codes[path]
        if isinstance(code, Refused):
            raise code
        return code

    def _parsed(self, path: str) -> SourceCode | Refused:
        from inithealth.report.source.code import SourceCode

        try:
            file = (self.root / path).resolve()
            if not file.is_relative_to(self.root) or file.suffix != ".py":
                raise Refused("it is not a Python file of the repository")
            return SourceCode(text_of(file))
        except (OSError, ValueError):  # a name that no file can have
            return Refused("it is not a Python file of the repository")
        except Refused as error:
            return error
