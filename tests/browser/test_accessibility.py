"""axe-core has no serious findings, and a screen reader gets each row in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import runs
from tests.browser.tab import Tab

axe = pytest.importorskip("axe_playwright_python.base", reason="needs: pip install 'inithealth[browser]'")
SERIOUS = ("serious", "critical")


def findings(tab: Tab, state: str) -> list[str]:
    """Return the serious findings in the tab's iframe; TensorBoard around it is not checked."""
    return serious(tab.frame.locator("body"), state)


def serious(body: Any, state: str) -> list[str]:
    """Return the serious findings in a body."""
    body.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = body.evaluate("() => axe.run()")["violations"]
    return [f"{state}: {each['id']} {each['nodes'][0]['html'][:120]}" for each in found if each["impact"] in SERIOUS]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("run", ["net_unhealthy", "gpt", "markup", "broken"])
def test_there_are_no_serious_findings(tab: Tab, run: str, scheme: str) -> None:
    tab.open(run)
    if scheme == "dark":
        tab.darken()
    found = findings(tab, "map")
    if run != "broken":
        tab.frame.locator(".name:not(.folded)").first.click()
        found += findings(tab, "details")
        tab.frame.locator("button", has_text="Table").click()
        found += findings(tab, "table")
    assert found == []


def test_a_screen_reader_hears_each_row_in_words(tab: Tab) -> None:
    frame = tab.open("net_unhealthy")
    label = tab.name("22.0").get_attribute("aria-label")
    for words in ("linear", "error IH106", "gain", "too small", "forward rms", "gradient norm"):
        assert words in label
    assert frame.locator("[role=tree]").get_attribute("aria-activedescendant")
    assert frame.locator("[role=status]").first.inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_there_are_no_serious_findings_with_the_fixes(browser: Any, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(runs.fixed_net().to_html(), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page.goto(file.as_uri())
    page.locator(".track").first.wait_for()
    found = serious(page.locator("body"), "map")
    page.locator(".name:not(.folded)").first.click()
    found += serious(page.locator("body"), "details")
    page.locator("button", has_text="Table").click()
    found += serious(page.locator("body"), "table")
    page.close()
    assert found == []
