"""What a stream can show: colors and the terminal's width, or plain ASCII."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from inithealth.commands import inert
from inithealth.findings import Report

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def console_of(stream: TextIO) -> Console:
    """Return rich's console for a stream; ``NO_COLOR``, ``FORCE_COLOR`` and ``COLUMNS`` are honored."""
    from rich.console import Console
    from rich.file_proxy import FileProxy

    # A live display of rich replaces the streams by proxies, which print above it in its terminal.
    return Console(file=stream, force_terminal=True if isinstance(stream, FileProxy) else None)


def captured(console: Console, shown: RenderableType) -> str:
    """Return what the console would print: written to the stream itself, it passes a proxy that the stream may be.

    Code that is wider than the terminal is not cut.
    """
    with console.capture() as capture:
        console.print(shown, crop=False)
    return inert(capture.get())


def report_text(report: Report, stream: TextIO, *, full: bool = False) -> str:
    """Return a report as the stream shows it, without a newline at the end."""
    from inithealth.report.terminal import renderable

    console = console_of(stream)
    if not console.is_terminal:
        return report.table(full=full)
    return captured(console, renderable(report, full=full)).rstrip("\n")
