"""Text for a terminal that is wrapped only at spaces."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from inithealth.report.plain import plain

_LEAST = 20  # minimum columns for the text, even on a narrow terminal


class Wrapped:
    """A text whose words are not broken, so that layer names can be searched for.

    Args:
        text: the text, of any characters.
        first: prefix of the first line.
        later: prefix of the other lines.
        style: style of the text.
        first_style: style of ``first``.
    """

    def __init__(self, text: str, first: str = "", later: str = "", style: str = "", first_style: str = "") -> None:
        self._text, self._first, self._later = plain(text), first, later
        self._style, self._first_style = style, first_style or style

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines at that width; a longer word exceeds it."""
        wrapper = textwrap.TextWrapper(
            max(width, _LEAST + max(len(self._first), len(self._later))),
            initial_indent=self._first,
            subsequent_indent=self._later,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for place, line in enumerate(wrapper.wrap(self._text) or [self._first]):
            head, style = (self._later, "") if place else (self._first, self._first_style)
            yield Text.assemble((head, style), (line[len(head) :], self._style), no_wrap=True, overflow="ignore")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width)


def packed(entries: Sequence[str], width: int) -> list[str]:
    """Join entries with semicolons in as few lines as possible, without breaking them."""
    lines: list[str] = []
    for place, entry in enumerate(entries):
        text = entry if place == len(entries) - 1 else f"{entry};"
        if lines and len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines
