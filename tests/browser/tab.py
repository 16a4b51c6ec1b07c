"""The tab "Init Health" of a TensorBoard process, as a user has it in a browser window."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

PICTURES = Path(os.environ.get("BROWSER_PICTURES", "pictures"))  # where pictures of the tests are kept
NOT_OURS = ("Multiple instances of Three.js",)  # TensorBoard's own complaint in its console


class Tab:
    """Opens the tab, and collects what goes wrong in it.

    Attributes:
        frame: the tab's iframe.
        complaints: errors of the console, and exceptions of the page.
    """

    def __init__(self, context: Any, address: str) -> None:
        self.context, self.address = context, address
        self.page = context.new_page()
        self.frame = self.page.frame_locator("iframe")
        self.complaints: list[str] = []
        self._requests: list[str] = []
        self.page.on("console", self._add)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._requests.append(request.url))

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open(self, run: str | None = None, **view: str) -> Any:
        """Show a run, or what the tab shows first; returns the frame once there is something in it."""
        chosen = view if run is None else {"run": run, **view}
        values = "".join(f"&p.init_health.{name}={quote(value, safe='')}" for name, value in chosen.items())
        self.go(f"{self.address}/?seed={len(self._requests)}#init_health{values}")
        return self.frame

    def live(self, run: str) -> Any:
        """Show a run that TensorBoard has yet to discover."""
        for _ in range(60):
            frame = self.open(run)
            if frame.locator(".verdict").count():
                return frame
            self.page.wait_for_timeout(500)
        raise TimeoutError(run)

    def darken(self) -> None:
        """Use TensorBoard's own switch."""
        self.page.locator("app-header-dark-mode-toggle button").click()
        self.page.get_by_role("menuitem", name="Dark").click()
        self.page.wait_for_timeout(500)

    def go(self, url: str) -> None:
        self.page.goto(url)
        self.frame.locator(".page, .empty button").first.wait_for()

    def name(self, layer: str) -> Any:
        """Return the row's name of a layer."""
        return self.frame.locator(".name").filter(has_text=re.compile(rf"^\W*{re.escape(layer)}\W*$")).first

    def picture(self, name: str) -> None:
        """Keep what the window shows now."""
        self.page.screenshot(path=PICTURES / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}.png")

    def strangers(self) -> list[str]:
        """Return the requests to other origins."""
        return [url for url in self._requests if not url.startswith((self.address, "data:", "blob:"))]

    def _add(self, message: Any) -> None:
        if message.type == "error" and not any(text in message.text for text in NOT_OURS):
            self.complaints.append(message.text)
