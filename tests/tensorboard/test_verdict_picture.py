"""The first picture: the verdict in words."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from inithealth.findings import Report, Severity
from inithealth.tensorboard.heatmap import HEIGHT, WIDTH
from inithealth.tensorboard.verdict_picture import draw_verdict
from tests.report.hostile import EMPTY
from tests.report.reports import cause, report

RED, GREEN = (197, 18, 27), (46, 125, 50)


def words(of: Report, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    drawn: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def text(self: ImageDraw.ImageDraw, place: object, line: str, **more: object) -> None:
        drawn.append(line)
        draw(self, place, line, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    draw_verdict(of, 3)
    return drawn


def test_the_verdict_the_layer_and_the_fix_are_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    of = report(cause("fc1", message="30x too large", fix="draw it\nanew"), cause("fc2"))
    found = words(of, monkeypatch)
    assert found[:2] == ["unhealthy: 2 errors", "MLP, step 3"]
    assert found[2:] == ["IH106 weight-scale in fc1", "and 1 more cause", "30x too large", "fix: draw it"]


def test_a_healthy_run_has_its_verdict_only(monkeypatch: pytest.MonkeyPatch) -> None:
    of = report(cause("fc1", severity=Severity.INFO), cause("fc2", suppressed="intentional"))
    assert words(of, monkeypatch) == ["healthy", "MLP, step 3"]


@pytest.mark.parametrize(
    ("of", "color"),
    [(EMPTY, GREEN), (report(cause("x" * 400, message="y z " * 400)), RED), (report(cause("ü\n")), RED)],
    ids=["empty", "long", "odd"],
)
def test_any_report_gives_a_picture(of: Report, color: tuple[int, int, int]) -> None:
    image = Image.open(io.BytesIO(draw_verdict(of, 0))).convert("RGB")
    assert image.size == (WIDTH, HEIGHT)
    assert image.getpixel((2, HEIGHT // 2)) == color
