"""Text from a user's program, made safe to print."""

from __future__ import annotations


def plain(text: str) -> str:
    r"""The text in printable ASCII on one line; what is not is written as Python would: ``\n``, ``\xe4``."""
    return "".join(letter if " " <= letter <= "~" else letter.encode("unicode_escape").decode() for letter in text)


def shortened(text: str, most: int) -> str:
    """The ends of a long text: in a layer's name the block's number is at its start, the layer's own at its end."""
    if len(text) <= most:
        return text
    half = (most - 2) // 2
    return f"{text[:half]}..{text[-(most - 2 - half) :]}"
