"""Draws a depth map as a PNG that is legible in TensorBoard's 350-pixel cards. Needs Pillow only."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw, ImageFont

from inithealth.report.plain import plain
from inithealth.tensorboard.colors import LEGEND, classes
from inithealth.tensorboard.depth_map import DepthMap

# A card shows the picture at about half its size, without smoothing: in a font below 24, a 6 can look like an 8.
WIDTH, HEIGHT, TEXT = 660, 352, 24
_TOP, _BOTTOM, _RIGHT = 34, 64, 8  # title; step axis and legend; margin
_LINE = 24  # smallest distance between two labels
_MOST_LABEL = 400  # pixels: names of up to 33 characters are whole
_INK, _FAINT, _CAUSE = "#1c1e21", "#c3c7cd", "#c5121b"
_QUANTITIES = {"forward": "Forward rms", "gradient": "Gradient norm"}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[int, int, int, int]  # left, top, right, bottom


def draw(depth_map: DepthMap) -> bytes:
    """Return a PNG of 660 x 352 pixels: title, layers from input (top) to loss, steps to the right, legend."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=TEXT)
    pen.text((6, 2), _title(depth_map), fill=_INK, font=font)
    if depth_map.rows and depth_map.steps:
        labels = _labels([plain(" ".join(name.split())) for name in depth_map.rows], font)
        left = 24 + math.ceil(max(pen.textlength(word, font=font) for word in [*labels, "step"]))
        area = (left, _TOP, WIDTH - _RIGHT, HEIGHT - _BOTTOM)
        _cells(picture, depth_map, area)
        _row_labels(pen, font, labels, depth_map.marked, area)
        _step_axis(pen, font, depth_map.steps, area)
    else:
        pen.text((6, HEIGHT // 2 - TEXT), "nothing was measured", fill=_INK, font=font)
    _legend(pen, font)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=6)
    return file.getvalue()


def row_span(row: int, rows: int, top: int = _TOP, bottom: int = HEIGHT - _BOTTOM) -> tuple[int, int]:
    """Return the first pixel of a row and the first one after it."""
    height = bottom - top
    return top + row * height // rows, top + (row + 1) * height // rows


def _title(depth_map: DepthMap) -> str:
    title = f"{_QUANTITIES[depth_map.quantity]} / {depth_map.reference}"
    return title if depth_map.layers_per_row == 1 else f"{title}, worst of {depth_map.layers_per_row}"


def _labels(names: Sequence[str], font: Font) -> list[str]:
    """Return the names; if one is too long, without their common prefix and shortened in the middle."""
    if all(font.getlength(name) <= _MOST_LABEL for name in names):
        return list(names)
    parents = [name.split(".")[:-1] for name in names]
    common = sum(1 for _ in itertools.takewhile(lambda part: len(set(part)) == 1, zip(*parents, strict=False)))
    return [_elided(".".join(name.split(".")[common:]), font) for name in names]


def _elided(label: str, font: Font) -> str:
    """Return both ends of a label that is too long: the block's number is in front, the layer's name at the end."""
    kept, short = len(label), label
    while kept > 0 and font.getlength(short) > _MOST_LABEL:
        kept -= 1
        short = f"{label[: kept // 2].rstrip('.')}…{label[len(label) - (kept - kept // 2) :].lstrip('.')}"
    return short


def _cells(picture: Image.Image, depth_map: DepthMap, area: Box) -> None:
    left, _, right, _ = area
    rows, columns = len(depth_map.rows), len(depth_map.steps)
    edges = [left + column * (right - left) // columns for column in range(columns + 1)]
    pen = ImageDraw.Draw(picture)
    gap = 1 if (HEIGHT - _TOP - _BOTTOM) // rows > 5 else 0
    for row, ratios in enumerate(depth_map.cells):
        top, bottom = row_span(row, rows)
        for column, place in enumerate(classes(ratios)):
            box = (edges[column], top, edges[column + 1] - 1, bottom - 1 - gap)
            if place is None:
                _hatch(picture, box)
            else:
                pen.rectangle(box, fill=LEGEND[place][1])


def _hatch(picture: Image.Image, box: Box) -> None:
    """Draw diagonal lines on white, so that a cell without a measurement does not look healthy."""
    left, top, right, bottom = box
    width, height = right - left + 1, bottom - top + 1
    tile = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(tile)
    for start in range(-left % 8 - height - 8, width, 8):
        pen.line((start, height, start + height, 0), fill=_FAINT)
    picture.paste(tile, (left, top))


def _row_labels(pen: ImageDraw.ImageDraw, font: Font, labels: Sequence[str], marked: frozenset[int], area: Box) -> None:
    """Draw as many names as fit: first the root-cause layers, then the first and last layer, then the rest evenly."""
    left, top, right, bottom = area
    starts = [row for row in sorted(marked) if row - 1 not in marked]
    for start in starts:
        stop = next(row for row in itertools.count(start) if row not in marked)
        first, last = row_span(start, len(labels))[0], row_span(stop - 1, len(labels))[1]
        pen.rectangle((left - 10, first - 3, right + 3, last + 2), outline=_CAUSE, width=3)
        pen.rectangle((left - 10, first - 3, left - 2, last + 2), fill=_CAUSE)
    taken: list[float] = []
    for row in _outside_in([*starts, 0, len(labels) - 1], len(labels)):
        middle = min(max(sum(row_span(row, len(labels))) / 2, top + TEXT / 2), bottom - TEXT / 2)
        if all(abs(middle - other) >= _LINE for other in taken):
            taken.append(middle)
            pen.text((left - 14, middle), labels[row], fill=_CAUSE if row in marked else _INK, font=font, anchor="rm")


def _step_axis(pen: ImageDraw.ImageDraw, font: Font, steps: Sequence[int], area: Box) -> None:
    left, _, right, bottom = area
    pen.text((left - 14, bottom + 14), "step", fill=_INK, font=font, anchor="rm")
    taken: list[tuple[float, float]] = []
    for column in _outside_in([0, len(steps) - 1], len(steps)):
        half = pen.textlength(str(steps[column]), font=font) / 2
        middle = left + (column + 0.5) * (right - left) / len(steps)
        middle = min(max(middle, left + half), right - half)
        if all(abs(middle - other) >= half + width + 12 for other, width in taken):
            taken.append((middle, half))
            pen.text((middle, bottom + 14), str(steps[column]), fill=_INK, font=font, anchor="mm")


def _outside_in(first: Sequence[int], count: int) -> Iterable[int]:
    """Yield the given positions, then all positions in the order of repeated bisection."""
    yield from first
    for parts in (2**power for power in range(1, count.bit_length() + 1)):
        yield from (part * (count - 1) // parts for part in range(1, parts))


def _legend(pen: ImageDraw.ImageDraw, font: Font) -> None:
    top, bottom = HEIGHT - 32, HEIGHT - 4
    for place, (name, color) in enumerate(LEGEND):
        left, right = place * WIDTH // len(LEGEND), (place + 1) * WIDTH // len(LEGEND)
        pen.rectangle((left, top, right - 3, bottom), fill=color)
        ink = "white" if sum(color) < 450 else _INK
        pen.text(((left + right - 3) / 2, (top + bottom) / 2), name, fill=ink, font=font, anchor="mm")
