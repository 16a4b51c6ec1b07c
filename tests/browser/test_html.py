"""The HTML report from disk, and in a notebook's frame."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inithealth import Report
from tests.browser import runs
from tests.browser.tab import PICTURES


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return runs.net(tmp_path_factory.mktemp("run"), healthy=False)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A window without a network; nothing must go wrong in it."""
    context = browser.new_context(offline=True)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    yield page
    context.close()
    assert complaints == []


def test_the_file_works_offline_under_its_strict_policy(page: Any, report: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report.to_html(), encoding="utf-8")
    page.goto(file.as_uri())
    assert "Unhealthy" in page.locator(".verdict").inner_text()
    assert page.locator(".card .fix").count() == 1
    page.locator(".name", has_text="22.0").first.click()
    assert "cause=" not in page.url
    assert page.locator(".details h2").inner_text() == "22.0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_signal_with_the_fixes_is_beside_the_signal_now(page: Any, tmp_path: Path, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1280, "height": 800})
    file = tmp_path / "report.html"
    file.write_text(runs.fixed_net().to_html(), encoding="utf-8")
    page.goto(file.as_uri())
    now, fixed = page.locator(".track").all()
    assert now.inner_text().startswith("Now 49 of 49 layers outside the range")
    assert fixed.inner_text().startswith("With the fixes 0 of 49 layers outside the range")
    assert page.locator(".title.profile").count() == 2
    assert "✓ Test: the fix clears this finding" in page.locator(".card .fix").inner_text()
    page.mouse.move(*middle(page, ".title.profile >> nth=1", down=200))
    assert "Now forward rms" in page.locator(".tooltip .other").inner_text()
    page.screenshot(path=PICTURES / f"fixes_{scheme}.png")
    page.locator(".name", has_text="22.0").first.click()
    assert "With the fixes: " in page.locator(".details .lines").inner_text()


def test_a_report_without_tried_fixes_has_one_signal(page: Any, report: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report.to_html(), encoding="utf-8")
    page.goto(file.as_uri())
    page.locator(".title.profile").wait_for()
    assert page.locator(".title.profile").count() == 1
    assert page.locator(".track, .test").count() == 0


def middle(page: Any, selector: str, down: int) -> tuple[float, float]:
    """Return a point below the middle of an element."""
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + down


def test_markup_in_a_report_is_text(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(runs.hostile(tmp_path / "run").to_html(), encoding="utf-8")
    page.goto(file.as_uri())
    page.locator(".name").first.wait_for()
    assert page.evaluate("() => window.attacked") is None
    assert page.locator(".page img").count() == 0
    assert runs.ATTACK in page.locator(".names").inner_text()


def test_a_notebook_shows_the_page_in_a_sandbox(page: Any, report: Report, tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    file.write_text(f"<!doctype html><title>Notebook</title>{report._repr_html_()}", encoding="utf-8")
    page.goto(file.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator(".verdict").wait_for()
    assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts allow-downloads"
    frame.locator(".name", has_text="22.0").first.click()
    assert frame.locator(".details h2").inner_text() == "22.0"


def test_markup_in_a_notebook_is_text(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "notebook.html"
    shown = runs.hostile(tmp_path / "run")._repr_html_()
    assert html.escape(runs.ATTACK) not in shown.split("srcdoc")[0]
    file.write_text(f"<!doctype html><title>Notebook</title>{shown}", encoding="utf-8")
    page.goto(file.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator(".name").first.wait_for()
    assert page.evaluate("() => window.attacked") is None
    assert frame.locator(".page img").count() == 0
