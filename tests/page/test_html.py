"""The page as one file: nothing in a name can leave the element it is in, and nothing is loaded."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from gzip import decompress
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from inithealth.page.document import document
from inithealth.page.html import packed_page, page

HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", '"><img src=x onerror=alert(1)>', "\u2028\ud800"]


class Elements(HTMLParser):
    """Collects the elements with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, attrs, text = self.found[-1]
            self.found[-1] = tag, attrs, text + data

    def scripts(self, kind: str) -> list[str]:
        return [text for tag, attrs, text in self.found if tag == "script" and attrs.get("type") == kind]


def made(name: str) -> dict[str, object]:
    return document({"model": name, "layers": [{"name": name}]}, {"notes": [name]}, [], [])


def hashes(text: str) -> set[str]:
    return set(re.findall(r"'sha256-([^']+)'", text))


def hashed(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_data_is_read_back_and_no_name_adds_an_element(name: str) -> None:
    elements = Elements(page(made(name)))
    assert [tag for tag, _, _ in elements.found] == "html head meta meta meta title body script script".split()
    [data] = elements.scripts("application/json")
    assert json.loads(data)["layers"][0]["name"] == name
    assert "<" not in data


def test_only_scripts_with_our_hashes_run_and_nothing_is_loaded() -> None:
    text = page(made("Net"))
    elements = Elements(text)
    assert hashes(text) == {hashed(script) for script in elements.scripts("module")}
    policy = next(attrs["content"] for _, attrs, _ in elements.found if "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert not any(set(attrs) & {"src", "href"} for _, attrs, _ in elements.found)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_packed_page_has_the_same_script_and_data(name: str) -> None:
    text = packed_page(made(name))
    data, script = (decompress(b64decode(each)).decode() for each in Elements(text).scripts("text/plain"))
    assert json.loads(data)["layers"][0]["name"] == name
    [unpack] = Elements(text).scripts("module")
    assert hashes(text) == {hashed(unpack), hashed(script)}
    assert text == packed_page(made(name))
    assert len(text) < len(page(made(name)))
