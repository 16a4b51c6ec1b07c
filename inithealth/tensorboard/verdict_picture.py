"""Draws the verdict in words as a PNG: the first picture of the Images dashboard. Needs Pillow only."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFont

from inithealth.findings import Finding, Report, Severity
from inithealth.page.state import verdict
from inithealth.report.finding_text import located
from inithealth.report.plain import plain
from inithealth.tensorboard.heatmap import HEIGHT, TEXT, WIDTH, Font

_LARGE = 36  # size of the verdict
_LEFT = 14
_INK, _HEALTHY = "#1c1e21", "#2e7d32"
_COLORS = {Severity.ERROR: "#c5121b", Severity.WARNING: "#b26a00", Severity.INFO: _HEALTHY}


def draw_verdict(report: Report, step: int) -> bytes:
    """Return a PNG with the verdict, the root-cause layer of the first cause, what was found, and the fix."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=TEXT)
    causes = [cause for cause in report.causes if cause.suppressed is None and cause.severity > Severity.INFO]
    color = _COLORS[causes[0].severity] if causes else _HEALTHY
    pen.rectangle((0, 0, 6, HEIGHT), fill=color)
    pen.text((_LEFT, 8), verdict(report), fill=color, font=ImageFont.load_default(size=_LARGE))
    pen.text((_LEFT, 54), plain(f"{report.model}, step {step}"), fill=_INK, font=font)
    top = 96
    for line in _lines(causes[0], len(causes) - 1, font) if causes else ():
        if top + TEXT > HEIGHT:
            break
        pen.text((_LEFT, top), line, fill=_INK, font=font)
        top += TEXT + 5
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _lines(cause: Finding, more: int, font: Font) -> Iterator[str]:
    yield from _wrapped(located(cause), font)
    if more:
        yield f"and {more} more {'cause' if more == 1 else 'causes'}"
    yield from _wrapped(cause.message, font)
    if cause.fix:
        yield from _wrapped(f"fix: {cause.fix.splitlines()[0]}", font)


def _wrapped(text: str, font: Font) -> Iterator[str]:
    """Yield lines that fit into the picture; a word that does not is broken."""
    line = ""
    for word in plain(text).split():
        joined = f"{line} {word}".strip()
        if line and font.getlength(joined) > WIDTH - 2 * _LEFT:
            yield line
            joined = word
        while font.getlength(joined) > WIDTH - 2 * _LEFT:
            kept = next(end for end in range(len(joined), 0, -1) if font.getlength(joined[:end]) <= WIDTH - 2 * _LEFT)
            yield joined[:kept]
            joined = joined[kept:]
        line = joined
    if line:
        yield line
