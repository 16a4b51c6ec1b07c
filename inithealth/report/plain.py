"""Makes text from a user's program safe to print: terminals and CI runners do not interpret it."""

from __future__ import annotations

from inithealth.commands import inert, without_brackets


def plain(text: str) -> str:
    r"""Return the text in printable ASCII on one line, with other characters escaped: ``\n``, ``\xe4``."""
    return without_brackets(
        "".join(letter if " " <= letter <= "~" else letter.encode("unicode_escape").decode() for letter in text)
    )


def printable(text: str) -> str:
    r"""Return the lines of a text in any language, with other characters escaped: ``\x1b``, ``\u202e``, ``\ud800``."""
    return inert(
        "".join(
            letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
            for letter in text
        )
    )


def shortened(text: str, most: int) -> str:
    """Return both ends of a long text: a layer's name has the block number at the start and its own name at the end."""
    if len(text) <= most:
        return text
    half = (most - 2) // 2
    return f"{text[:half]}..{text[-(most - 2 - half) :]}"
