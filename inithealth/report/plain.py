"""Text from a user's program, made safe to print."""

from __future__ import annotations


def plain(text: str) -> str:
    r"""The text in printable ASCII on one line; what is not is written as Python would: ``\n``, ``\xe4``."""
    return "".join(letter if " " <= letter <= "~" else letter.encode("unicode_escape").decode() for letter in text)
