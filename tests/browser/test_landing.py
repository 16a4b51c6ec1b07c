"""What one sees when the tab opens: the verdict, and colors only where a fault is."""

from __future__ import annotations

import pytest

from tests.browser.tab import Tab


def test_a_sick_run_shows_verdict_layers_cause_fix_and_spread_without_a_click(tab: Tab) -> None:
    frame = tab.open("net_unhealthy")
    assert "Unhealthy" in frame.locator(".verdict").inner_text()
    assert "20.0" in frame.locator(".summary").inner_text()
    card = frame.locator(".card").inner_text()
    for words in ("IH106", "weight", "Fix", "Spreads to"):
        assert words in card
    for part in (".card h2", ".card .fix", ".card .spread"):
        box = frame.locator(part).bounding_box()
        assert box["y"] + box["height"] < 900, f"{part} is outside the window"


@pytest.mark.parametrize("run", ["gpt", "net_healthy", "lightning/version_0"])
def test_a_healthy_run_is_gray_and_says_so(tab: Tab, run: str) -> None:
    frame = tab.open(run)
    assert "Healthy" in frame.locator(".verdict").inner_text()
    assert "within 2x of what is expected" in frame.locator(".summary").inner_text()
    assert frame.locator(".card").count() == 0


def test_the_header_names_model_steps_and_optimizer(tab: Tab) -> None:
    facts = tab.open("gpt").locator(".facts").inner_text()
    for words in ("GPT", "40 layers", "steps 0 to 15", "AdamW(lr=0.001)"):
        assert words in facts


@pytest.mark.parametrize(("run", "sentence"), [("broken", "cannot be read"), ("newer", "newer version")])
def test_data_that_cannot_be_read_is_a_sentence(tab: Tab, run: str, sentence: str) -> None:
    frame = tab.open(run)
    assert sentence in frame.locator(".empty").inner_text()
    frame.locator("select").select_option("gpt")
    frame.locator(".verdict").wait_for()


def test_markup_in_names_is_text(tab: Tab) -> None:
    frame = tab.open("markup")
    assert "<img src=x" in frame.locator(".cards").inner_text()
    tab.name("</script><b>").click()
    frame.locator(".details").wait_for()
    assert frame.locator(".page img").count() == 0
    assert frame.locator("body").evaluate("() => window.attacked") is None


def test_one_click_from_tensorboards_first_tab_shows_an_unhealthy_run(tab: Tab) -> None:
    tab.page.goto(tab.address)
    tab.page.get_by_text("Init Health").first.click()
    tab.frame.locator(".verdict", has_text="Unhealthy").wait_for()
    assert tab.frame.locator("select").input_value() == "net_unhealthy"


def test_a_narrow_window_has_the_causes_above_the_layers(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 700, "height": 900})
    frame = tab.open("net_unhealthy")
    card, rows = frame.locator(".card").bounding_box(), frame.locator(".rows").bounding_box()
    assert card["y"] + card["height"] <= rows["y"]
    assert card["x"] + card["width"] <= 700
