"""The page as one HTML file that works from disk: the script and the data are inside, and nothing is loaded.

Layer names, messages and paths come from users. The content security policy allows only the scripts with the hashes of
ours, so that markup in a name cannot run even if it were shown as markup.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from gzip import compress
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from inithealth.page.document import to_json

_SCRIPT = Path(__file__).parents[1] / "tensorboard" / "page" / "index.js"
_DATA = "init-health-data"  # id of the element in which the script finds the data
# Unpacks the data and the script. An inline script that is inserted later is allowed by its hash, too.
_UNPACK = f"""
const unpacked = (id) => {{
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}};
const added = (type, id, text) => {{
  document.body.append(Object.assign(document.createElement("script"), {{ type, id, textContent: text }}));
}};
added("application/json", "{_DATA}", await unpacked("packed-data"));
added("module", "page", await unpacked("packed-page"));
"""


def page(data: Mapping[str, Any]) -> str:
    """Return the HTML of a document (see `document.document`)."""
    script = _script()
    return _html(
        str(data.get("model", "")),
        [script],
        f'<script type="application/json" id="{_DATA}">{_safe_json(data)}</script>'
        f'<script type="module">{script}</script>',
    )


def packed_page(data: Mapping[str, Any]) -> str:
    """Return the same page with compressed script and data, for places where each byte is stored, such as notebooks."""
    script = _script()
    return _html(
        str(data.get("model", "")),
        [_UNPACK, script],
        f'<script type="text/plain" id="packed-data">{_packed(_safe_json(data))}</script>'
        f'<script type="text/plain" id="packed-page">{_packed(script)}</script>'
        f'<script type="module">{_UNPACK}</script>',
    )


def _html(model: str, scripts: Sequence[str], body: str) -> str:
    hashes = " ".join(f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    name = escape(model, quote=False).replace("#", "&#35;") if model.isprintable() else ""
    title = name.encode("ascii", "xmlcharrefreplace").decode()
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Init Health {title}</title></head><body>{body}</body></html>"
    )


def _safe_json(data: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the script element it is in."""
    return to_json(data).replace("<", "\\u003c").replace("##", "#\\u0023")  # CI runners look for ##[ in their logs


def _script() -> str:
    # In a script element, these characters would end it or hide its end.
    return _SCRIPT.read_text("utf-8").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _packed(text: str) -> str:
    return b64encode(compress(text.encode(), compresslevel=9, mtime=0)).decode()
