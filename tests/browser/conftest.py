"""A browser, and one TensorBoard process with real runs; without a browser the tests of this folder are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import runs
from tests.browser.tab import Tab
from tests.tensorboard.test_process import serving
from tests.tensorboard.test_tab_data import STRUCTURED, written

SIZE = {"width": 1400, "height": 900}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs: pip install 'inithealth[browser]'")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def logs(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the runs; depends on the browser, so that nothing is trained without one."""
    folder = tmp_path_factory.mktemp("logs")
    runs.net(folder / "net_healthy", healthy=True)
    runs.net(folder / "net_unhealthy", healthy=False)
    runs.gpt(folder / "gpt")
    runs.lightning(folder / "lightning")
    runs.hostile(folder / "markup")
    written(folder / "broken", "init_health/structure", "{")
    written(folder / "newer", "init_health/structure", STRUCTURED, b'{"version":9}')
    return folder


@pytest.fixture(scope="session")
def address(logs: Path) -> Iterator[str]:
    """Address of a TensorBoard process that shows the runs."""
    with serving(logs, "--reload_interval", "1") as plugin:
        yield plugin.removesuffix("/data/plugin/init_health")


@pytest.fixture
def tab(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The tab in a browser window of its own. After the test, a screenshot is kept and the page must have no errors."""
    with Tab(browser.new_context(viewport=SIZE, accept_downloads=True, bypass_csp=True), address) as tab:
        yield tab
        tab.picture(request.node.name)
        assert tab.complaints == []
        assert tab.strangers() == []
