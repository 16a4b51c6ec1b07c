"""Text for a stream: with colors and the terminal's width, or plain."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from inithealth.findings import Report

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console_of(stream: TextIO) -> Console:
    """Return rich's console for a stream; it respects ``NO_COLOR``, ``FORCE_COLOR`` and ``COLUMNS``."""
    from rich.console import Console
    from rich.file_proxy import FileProxy

    # A live display of rich replaces the streams by proxies that print above it.
    return Console(file=stream, force_terminal=True if isinstance(stream, FileProxy) else None)


def captured(console: Console, shown: RenderableType) -> str:
    """Return the text that the console would print. Writing it to the stream also works if that is a proxy."""
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def report_text(report: Report, stream: TextIO) -> str:
    """Return a report as the stream shows it, without a newline at the end."""
    from inithealth.report.terminal import renderable

    console = console_of(stream)
    if not console.is_terminal:
        return report.table(full=full)
    return captured(console, renderable(report, full=full)).rstrip("\n")
