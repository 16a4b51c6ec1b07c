"""Every interaction of the tab, on real runs."""

from __future__ import annotations

import csv
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.browser.runs import STEPS
from tests.browser.tab import Tab

SICK = "net_unhealthy"


def top_of(frame: Any) -> float:
    """Return how far the rows are scrolled."""
    return float(frame.locator(".map").evaluate("element => element.scrollTop"))


def test_one_click_copies_the_fix(tab: Tab) -> None:
    frame = tab.open(SICK)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    frame.locator(".fix .copy").first.click()
    frame.locator(".fix .copy", has_text="Copied").wait_for()
    copied = tab.page.evaluate("navigator.clipboard.readText()")
    assert copied == frame.locator(".fix pre").first.inner_text()
    assert "20" in copied


def test_a_click_on_a_card_scrolls_to_its_layers_and_marks_them(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 1400, "height": 420})
    frame = tab.open(SICK)
    frame.locator(".card h2 button").first.click()
    frame.locator(".card.marked").wait_for()
    assert "cause=IH106" in tab.page.url
    tab.page.wait_for_timeout(500)
    assert top_of(frame) > 0
    assert tab.name("20.0").is_visible()


def test_a_click_on_a_layer_opens_all_that_is_known_of_it(tab: Tab) -> None:
    frame = tab.open(SICK)
    tab.name("22.0").click()
    details = frame.locator(".details")
    text = details.inner_text()
    for words in ("Shape", "64 \N{MULTIPLICATION SIGN} 64", "Initialization", "Std", "Activation", "Feeds"):
        assert words in text
    assert details.locator("svg, canvas").count() >= 4  # the numbers over the steps
    frame.locator("[aria-label='Next layer']").click()
    assert details.locator("h2").inner_text() == "23.0"
    tab.page.keyboard.press("Escape")
    details.wait_for(state="detached")


def test_the_details_name_the_line_that_builds_the_layer(tab: Tab) -> None:
    frame = tab.open("lightning/version_0")
    tab.name("head").click()
    assert "tests/browser/runs.py:" in frame.locator(".details").inner_text()


def test_a_link_shows_a_colleague_the_same(tab: Tab) -> None:
    frame = tab.open(SICK)
    tab.name("22.0").click()
    frame.locator(".search input").fill("2")
    frame.locator(".steps input").evaluate(
        "element => { element.value = 7; element.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    frame.get_by_text("Step 7", exact=True).wait_for()
    tab.page.wait_for_timeout(300)
    link = tab.page.url
    tab.page.goto("about:blank")
    tab.go(link)
    frame.get_by_text("Step 7", exact=True).wait_for()
    assert frame.locator(".details h2").inner_text() == "22.0"
    assert frame.locator(".search input").input_value() == "2"


def test_the_keyboard_reaches_layers_and_search(tab: Tab) -> None:
    frame = tab.open(SICK)
    frame.locator(".names").focus()
    tab.page.keyboard.press("Home")
    for _ in range(3):
        tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    assert frame.locator(".details h2").inner_text() == "3.0"
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("4.0")
    assert frame.locator(".search .found").inner_text() == "5"
    tab.page.keyboard.press("Enter")
    assert frame.locator(".details h2").inner_text() == "4.0"


def test_the_filter_hides_the_causes_of_a_severity(tab: Tab) -> None:
    frame = tab.open(SICK)
    frame.locator(".chip.error").click()
    frame.locator(".card").wait_for(state="detached")
    assert "p.init_health.severity" in tab.page.url
    frame.locator(".chip.error").click()
    frame.locator(".card").first.wait_for()


def test_hovering_shows_exact_values(tab: Tab) -> None:
    frame = tab.open(SICK)
    row = tab.name("22.0").bounding_box()
    tab.page.mouse.move(700, row["y"] + row["height"] / 2)
    tooltip = frame.locator(".tooltip")
    tooltip.wait_for()
    assert "22.0" in tooltip.inner_text()
    assert "too small" in tooltip.inner_text()


def test_play_moves_the_step_and_stops_at_the_last(tab: Tab) -> None:
    frame = tab.open("gpt", step="12")
    frame.locator("[aria-label='Play the steps']").click()
    frame.get_by_text("Step 15", exact=True).wait_for()
    frame.locator("[aria-label='Play the steps']").wait_for()


def test_repeated_blocks_fold_and_unfold(tab: Tab) -> None:
    frame = tab.open("gpt")
    before = frame.locator(".name").count()
    frame.locator(".name .fold").first.click()
    folded = frame.locator(".name.folded").first
    folded.wait_for()
    assert frame.locator(".name").count() < before
    folded.click()
    frame.locator(".name.folded").wait_for(state="detached")
    assert frame.locator(".name").count() == before


def test_runs_side_by_side_and_as_a_difference(tab: Tab) -> None:
    frame = tab.open(SICK)
    frame.locator("summary", has_text="Compare").click()
    frame.locator(".menu label", has_text="net_healthy").click()
    frame.locator(".titles.several").wait_for()
    tab.picture("side by side")
    frame.locator(".menu label", has_text="Show the difference").click()
    frame.get_by_text("against").first.wait_for()
    frame.locator("summary", has_text="Compared").click()


def test_every_compared_run_shows_its_causes(tab: Tab) -> None:
    frame = tab.open("net_healthy", **{"with": SICK})
    frame.locator(".titles.several").wait_for()
    assert "IH106" in frame.locator(".page").inner_text()


@pytest.mark.parametrize("kind", ["PNG", "SVG", "CSV"])
def test_export(tab: Tab, kind: str, tmp_path: Path) -> None:
    frame = tab.open(SICK)
    frame.locator("summary", has_text="Export").click()
    with tab.page.expect_download() as download:
        frame.locator(".menu button", has_text=kind).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    content = file.read_bytes()
    if kind == "PNG":
        assert struct.unpack(">II", content[16:24]) > (800, 400)
    elif kind == "SVG":
        assert "22.0" in "".join(ElementTree.fromstring(content).itertext())
    else:
        assert len(list(csv.DictReader(content.decode().splitlines()))) == 49 * STEPS


def test_the_table_has_a_row_for_each_layer(tab: Tab) -> None:
    frame = tab.open("gpt")
    frame.locator("button", has_text="Table").click()
    frame.locator("tbody tr").first.wait_for()
    assert frame.locator("tbody tr").count() == 40


def test_tensorboards_switch_makes_it_dark(tab: Tab) -> None:
    frame = tab.open(SICK)
    light = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    tab.darken()
    dark = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert sum(map(int, dark[4:-1].split(","))) < sum(map(int, light[4:-1].split(","))) / 2


def test_print_shows_all_layers_on_white(tab: Tab, tmp_path: Path) -> None:
    frame = tab.open(SICK)
    tab.page.emulate_media(media="print", color_scheme="dark")
    tab.page.pdf(path=tmp_path / "page.pdf", landscape=True)
    assert (tmp_path / "page.pdf").stat().st_size > 10_000
    tab.page.emulate_media(media="screen")
    assert frame.locator(".verdict").is_visible()
