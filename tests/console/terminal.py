"""A fake terminal, and the text that is finally visible on it."""

from __future__ import annotations

import io
import re

_STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]")


class Terminal(io.StringIO):
    """A stream that reports to be a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """Return the visible lines, after carriage returns and cursor moves, without blank lines."""
        screen, row, column = [""], 0, 0
        for token in re.findall(r"\x1b\[\d*[AK]|[\r\n]|[^\x1b\r\n]+", _STYLE.sub("", self.getvalue())):
            if token == "\r":
                column = 0
            elif token == "\n":
                row, column = row + 1, 0
                screen += [""] * (row + 1 - len(screen))
            elif token.endswith("A") and token[0] == "\x1b":
                row = max(0, row - int(token[2:-1] or 1))
            elif token.endswith("K") and token[0] == "\x1b":
                screen[row] = screen[row][:column] if token[2:-1] != "2" else ""
            else:
                line = screen[row].ljust(column)
                screen[row] = line[:column] + token + line[column + len(token) :]
                column += len(token)
        return [line.rstrip() for line in screen if line.strip()]
