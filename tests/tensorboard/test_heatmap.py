"""The picture: decoded, and checked where the fault is."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image

from inithealth.recording import Recording
from inithealth.tensorboard.colors import LEGEND
from inithealth.tensorboard.depth_map import depth_map
from inithealth.tensorboard.heatmap import HEIGHT, WIDTH, draw, row_span
from tests.tensorboard.recordings import changed, plain, signal

COLORS = dict(LEGEND)
FORWARD, GRADIENT = "forward", "gradient"
WHITE = (255, 255, 255)


def picture(recording: Recording, quantity: str = FORWARD, causes: tuple[str, ...] = ()) -> Image.Image:
    image = Image.open(io.BytesIO(draw(depth_map(recording, quantity, {}, causes))))
    image.load()
    assert image.format == "PNG"
    assert image.size == (WIDTH, HEIGHT)
    return image.convert("RGB")


def colors(image: Image.Image) -> dict[object, int]:
    """Return the number of pixels of each color."""
    return {color: count for count, color in image.getcolors(image.width * image.height) or ()}


def row_color(image: Image.Image, row: int, rows: int, x: int = WIDTH - 20) -> object:
    top, bottom = row_span(row, rows)
    return image.getpixel((x, (top + bottom) // 2))


@pytest.mark.parametrize("count", [12, 50])
def test_rows_downstream_of_a_shrinking_layer_are_blue_and_upstream_ones_gray(count: int) -> None:
    fault = count // 2
    image = picture(plain(count, shrinking={fault: 2.0**-14}))
    seen = [row_color(image, row, count) for row in range(count)]
    assert seen == [COLORS["ok"]] * fault + [COLORS["/256"]] * (count - fault)


def test_the_gradient_is_blue_upstream_of_the_shrinking_layer() -> None:
    image = picture(plain(12, shrinking={6: 2.0**-14}), GRADIENT)
    assert [row_color(image, row, 12) for row in range(12)] == [COLORS["/16"]] * 6 + [COLORS["ok"]] * 6


def test_growth_is_red() -> None:
    image = picture(plain(4, shrinking={2: 2.0**10}))
    assert row_color(image, 3, 4) == COLORS["x16"]


def test_a_nan_is_magenta_from_its_step_on() -> None:
    recording = changed(plain(4, steps=range(4)), "layers.3", step=3, output=signal(math.nan))
    image = picture(recording)
    assert row_color(image, 3, 4) == COLORS["NaN"]
    assert row_color(image, 3, 4, x=WIDTH // 2) == COLORS["ok"]


def test_unmeasured_cells_are_hatched_on_white() -> None:
    image = picture(changed(plain(4), "layers.2", output=None))
    top, bottom = row_span(2, 4)
    seen = colors(image.crop((WIDTH // 2, top + 4, WIDTH - 20, bottom - 4)))
    assert WHITE in seen
    assert len(seen) == 2
    assert not seen.keys() & set(COLORS.values())


def test_one_faulty_layer_of_a_thousand_is_visible() -> None:
    recording = changed(plain(1000), "layers.617", output=signal(2.0**-14))
    image = picture(recording)
    rows = len(depth_map(recording, FORWARD, {}).rows)
    assert [row for row in range(rows) if row_color(image, row, rows) == COLORS["/256"]] == [617 // 17]


def test_the_root_cause_layer_is_framed() -> None:
    frames = [colors(picture(plain(12), FORWARD, causes)).get((197, 18, 27), 0) for causes in ((), ("layers.5",))]
    assert frames[0] == 0
    assert frames[1] > 1000


def test_the_legend_shows_every_class() -> None:
    image = picture(plain(0))
    assert set(COLORS.values()) <= colors(image.crop((0, HEIGHT - 32, WIDTH, HEIGHT))).keys()


@pytest.mark.parametrize(
    "recording",
    [
        plain(0),
        plain(3, steps=()),
        plain(1, steps=(0,)),
        plain(3, naming="a_name_that_is_much_too_long_for_the_picture.{}.and_goes_on_and_on.and_on"),
        plain(2, naming="<b>|{}|</b>\n`ü`层"),
        changed(plain(1), "layers.0", output=signal(math.inf), gradient=signal(0.0)),
    ],
    ids=["no layers", "no steps", "one cell", "long names", "odd names", "infinite"],
)
@pytest.mark.parametrize("quantity", [FORWARD, GRADIENT])
def test_unusual_recordings_give_a_picture(recording: Recording, quantity: str) -> None:
    picture(recording, quantity)
