"""Text for a terminal: limited to its width, with unbroken words and literal markup."""

from __future__ import annotations

import pytest

from inithealth.report.terminal import printed as text_of
from inithealth.report.wrapped import Wrapped, packed


def printed(shown: Wrapped, width: int = 100) -> list[str]:
    return text_of(shown, width).split("\n")


NAME = "encoder.layers.17.self_attention.query-key-value"


def test_lines_start_with_their_prefix() -> None:
    shown = printed(Wrapped("word " * 12, "  why:  ", "        "), width=40)
    assert shown == ["  why:  word word word word word word", "        word word word word word word"]


def test_each_line_uses_the_space_after_its_prefix() -> None:
    assert printed(Wrapped("word " * 12, later="    "), width=24) == [
        "word word word word word",
        "    word word word word",
        "    word word word",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = printed(Wrapped(f"{NAME}: " + "some words " * 40), width)
    assert max(map(len, shown)) <= width
    assert len(shown) > 1


def test_a_word_is_never_broken() -> None:
    assert any(NAME in line for line in printed(Wrapped(f"in {NAME}"), width=30))


def test_control_characters_and_markup_are_shown_literally() -> None:
    assert printed(Wrapped("[red]a[/red] \x1b[31m\n\u00e4")) == [r"[red]a[/red] \x1b[31m\n\xe4"]


def test_styles_of_the_prefix_and_the_text() -> None:
    first, second = Wrapped("word " * 12, "fix: ", style="dim", first_style="bold").lines(40)
    assert [span.style for span in first.spans] == ["bold", "dim"]
    assert [span.style for span in second.spans if span.style] == ["dim"]


def test_entries_are_not_broken() -> None:
    entries = ["std: of the weight", "> cause", "! outside the expected range"]
    assert packed(entries, 28) == ["std: of the weight; > cause;", "! outside the expected range"]
    assert packed(entries, 27) == ["std: of the weight;", "> cause;", "! outside the expected range"]
    assert packed([], 28) == []


def test_an_empty_text_is_an_empty_line() -> None:
    assert printed(Wrapped("")) == [""]
