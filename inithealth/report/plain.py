"""Makes text from a user's program safe to print."""

from __future__ import annotations


def plain(text: str) -> str:
    r"""Return the text in printable ASCII on one line, with other characters escaped: ``\n``, ``\xe4``."""
    return "".join(letter if " " <= letter <= "~" else letter.encode("unicode_escape").decode() for letter in text)


def shortened(text: str, most: int) -> str:
    """Return both ends of a long text: a layer's name has the block number at the start and its own name at the end."""
    if len(text) <= most:
        return text
    half = (most - 2) // 2
    return f"{text[:half]}..{text[-(most - 2 - half) :]}"
