"""Commands of CI runners in a text are made inert."""

from __future__ import annotations

import pytest

from inithealth.commands import inert, without_brackets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("a\n  ::error::x", "a\n  \\x3a:error::x"),
        ("\x1b[1m \x1b[31m::error", "\x1b[1m \x1b[31m\\x3a:error"),
        ("a::b", "a::b"),
        ("## Verdict", "## Verdict"),
        ("a##[add-mask]b", r"a#\x23[add-mask]b"),
        ("##vso[task.setvariable", r"#\x23vso[task.setvariable"),
        ("###[x", r"##\x23[x"),
    ],
)
def test_inert(text: str, shown: str) -> None:
    assert inert(text) == shown
    assert inert(shown) == shown


def test_a_format_has_its_own_escapes() -> None:
    assert inert("::a\n##[b", colon="&#58;", number="&#35;") == "&#58;:a\n#&#35;[b"
    assert without_brackets("::error::##[b") == r"::error::#\x23[b"
