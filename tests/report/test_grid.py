"""Columns of cells: aligned, narrow, with whole names."""

from __future__ import annotations

import pytest

from inithealth.report.grid import GridColumn, at_dots, lines, width_of


def column(heading: str, *cells: str, is_text: bool = False) -> GridColumn:
    return GridColumn(heading, cells, [""] * len(cells), is_text)


def drawn(names: list[str], *columns: GridColumn, width: int) -> list[str]:
    return [line.plain for line in lines(column("layer", *names, is_text=True), columns, width)]


def test_words_are_aligned_to_the_left_and_numbers_to_the_right() -> None:
    shown = drawn(["a", "bb"], column("init", "zeros", "x", is_text=True), column("out rms", "1", "0.25"), width=40)
    assert shown == [
        "layer init  out rms",
        "a     zeros       1",
        "bb    x        0.25",
    ]


def test_the_words_of_a_heading_are_stacked_if_space_is_short() -> None:
    shown = drawn(["a"], column("out rms", "1"), column("std", "2"), width=14)
    assert shown == [
        "      out",
        "layer rms std",
        "a       1   2",
    ]
    assert width_of([column("out rms", "1"), column("std", "2")]) == 8


def test_a_long_name_has_its_own_line() -> None:
    shown = drawn(["encoder.layers.fc (12)", "fc"], column("std", "0.02", "1"), width=20)
    assert shown == [
        "layer            std",
        "encoder.layers.",
        "    fc (12)",
        "                0.02",
        "fc                 1",
    ]


def test_without_columns_only_the_names_are_shown() -> None:
    assert drawn(["fc"], width=20) == ["layer", "fc"]


def test_styles_are_those_of_the_cells() -> None:
    names = GridColumn("layer", ["fc"], ["bold red"], is_text=True)
    heading, row = lines(names, [GridColumn("std", ["5!"], ["red"])], 40)
    assert {span.style for span in heading.spans} == {"bold"}
    assert [(row.plain[span.start : span.end].strip(), span.style) for span in row.spans if span.style] == [
        ("fc", "bold red"),
        ("5!", "red"),
    ]


def test_cells_are_not_interpreted_as_markup() -> None:
    assert drawn(["[red]a[/red]"], column("std", "[b]1"), width=60)[1] == "[red]a[/red] [b]1"


@pytest.mark.parametrize(
    ("name", "width", "broken"),
    [
        ("a.b.c", 20, ["a.b.c"]),
        ("encoder.layers.fc", 16, ["encoder.layers.", "    fc"]),
        ("encoder.layers.fc", 12, ["encoder.", "    layers.", "    fc"]),
        ("x" * 30, 20, ["x" * 15, "    " + "x" * 15]),
        ("...", 20, ["..."]),
        ("", 20, [""]),
        ("abcdefgh.ij", 1, ["abcdefgh.", "    ij"]),
    ],
)
def test_names_are_broken_after_dots(name: str, width: int, broken: list[str]) -> None:
    found = at_dots(name, width)
    assert found == broken
    assert "".join(part.removeprefix("    ") for part in found) == name
