"""Text for a terminal that is wrapped at spaces alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from inithealth.report.plain import plain

_LEAST = 20  # columns for the text, however narrow the terminal


class Wrapped:
    """A text whose words stay whole, so that a layer's name can be searched for.

    Args:
        text: from findings, of any characters.
        first: what precedes it in the first line.
        later: what precedes it in the other lines.
        style: of the text.
        first_style: of ``first``.
    """

    def __init__(self, text: str, first: str = "", later: str = "", style: str = "", first_style: str = "") -> None:
        self._text, self._first, self._later = plain(text), first, later
        self._style, self._first_style = style, first_style or style

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines at that width; a word that is longer is wider."""
        room = max(_LEAST, width - max(len(self._first), len(self._later)))
        lines = textwrap.wrap(self._text, room, break_long_words=False, break_on_hyphens=False) or [""]
        for place, line in enumerate(lines):
            head = (self._later, "") if place else (self._first, self._first_style)
            yield Text.assemble(head, (line, self._style), no_wrap=True, overflow="ignore")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width)
