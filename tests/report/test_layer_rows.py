"""Layers that share a row: repeated blocks, except causes, their neighbors and outliers."""

from __future__ import annotations

import pytest

from inithealth import Report, Severity
from inithealth.recording import Layer, Scheme
from inithealth.report.layer_rows import folded, unfolded
from tests.report.reports import blocks, cause, follows, report
from tests.rules.recordings import layer, stack

MOST = 30


def rows(of: Report, most: int = MOST) -> list[str]:
    return [row.name for row in next(folded(of, most))]


def test_repeated_blocks_share_rows_in_forward_order() -> None:
    layers = (layer("stem", 0), *blocks(8), layer("head", 99))
    assert rows(report(layers=layers)) == [
        "stem",
        "blocks.*.norm (8)",
        "blocks.*.attn.qkv (8)",
        "blocks.*.attn.proj (8)",
        "head",
    ]


def test_layers_of_a_plain_stack_have_their_own_rows_if_there_is_space() -> None:
    assert rows(report()) == ["fc0", "fc1", "fc2", "fc3", "head"]
    sequential = tuple(layer(str(2 * number), number) for number in range(31))
    assert rows(report(layers=sequential[:30])) == [str(2 * number) for number in range(30)]
    assert rows(report(layers=sequential)) == ["* (31)"]


def test_every_layer_is_in_exactly_one_row() -> None:
    of = report(cause("blocks.2.attn.qkv"), layers=blocks(40))
    for shown in (unfolded(of), *folded(of, MOST)):
        assert sorted(each.name for row in shown for each in row.layers) == sorted(each.name for each in of.layers)


def test_a_cause_is_shown_with_its_neighbors() -> None:
    shown = next(folded(report(cause("blocks.3.attn.qkv"), layers=blocks(6)), MOST))
    names = [row.name for row in shown]
    assert names[:3] == ["blocks.{0-2,4-5}.norm (5)", "blocks.{0-2,4-5}.attn.qkv (5)", "blocks.{0-2,4-5}.attn.proj (5)"]
    assert names[3:] == ["blocks.3.norm", "blocks.3.attn.qkv", "blocks.3.attn.proj"]
    assert [row.name for row in shown if row.is_cause] == ["blocks.3.attn.qkv"]


def test_causes_have_their_own_rows_if_there_is_space() -> None:
    few = cause(*(f"blocks.{number}.attn.qkv" for number in range(2, 6)))
    shown = next(folded(report(few, layers=blocks(6)), MOST))
    assert [row.name for row in shown if row.is_cause] == [*few.layers]
    many = cause(*(f"blocks.{number}.attn.qkv" for number in range(2, 40)))
    shown = next(folded(report(many, layers=blocks(50)), MOST))
    assert [row.name for row in shown if row.is_cause] == ["blocks.2.attn.qkv", "blocks.{3-39}.attn.qkv (37)"]
    assert "blocks.2.norm" in [row.name for row in shown]


def test_causes_at_both_ends_have_one_neighbor() -> None:
    assert rows(report(cause("fc0"), cause("head"), layers=stack(3))) == ["fc0", "fc1", "head"]


def test_layers_with_consequences_only_are_not_causes() -> None:
    found = cause("blocks.1.attn.qkv")
    shown = next(folded(report(found, follows(found, "blocks.1.attn.proj"), layers=blocks(6)), MOST))
    assert [row.name for row in shown if row.is_cause] == ["blocks.1.attn.qkv"]


def test_info_findings_do_not_affect_the_rows() -> None:
    found = cause("blocks.1.attn.qkv", severity=Severity.INFO)
    assert rows(report(found, layers=blocks(6))) == rows(report(layers=blocks(6)))


@pytest.mark.parametrize(
    "difference",
    [
        {"scheme": Scheme(name="zeros", text="zeros")},
        {"weight": {"rms": 0.3}},
        {"weight": {"shape": (96, 48)}},
        {"activation": "tanh"},
        {"type_name": "Conv1D"},
    ],
    ids=str,
)
def test_an_outlier_has_its_own_row(difference: dict[str, object]) -> None:
    shown = rows(report(layers=blocks(6, blocks_2_attn_qkv=difference)))
    assert "blocks.2.attn.qkv" in shown
    assert "blocks.{0-1,3-5}.attn.qkv (5)" in shown


def test_random_differences_are_not_outliers() -> None:
    shown = rows(report(layers=blocks(6, blocks_2_attn_qkv={"weight": {"rms": 0.13}})))
    assert "blocks.*.attn.qkv (6)" in shown


def stages(amount: int) -> tuple[Layer, ...]:
    """Return a network like a ResNet: stages of blocks with different shapes."""
    names = [f"stage{s}.{b}.{last}" for s in range(amount) for b in range(3) for last in ("conv1", "norm1", "conv2")]
    return tuple(
        layer(
            name,
            place,
            kind="norm" if "norm" in name else "conv",
            weight={"shape": (int(name[5]) + 1, 3 + int(name[7]))},
        )
        for place, name in enumerate(names)
    )


def test_stages_are_separate_while_there_is_space_without_the_norms() -> None:
    assert rows(report(layers=stages(9)))[:4] == [
        "stage0.*.conv1 (3)",
        "stage0.*.norm1 (3)",
        "stage0.*.conv2 (3)",
        "stage1.*.conv1 (3)",
    ]
    fewer = rows(report(layers=stages(9)), most=20)
    assert fewer[:3] == ["stage0.*.conv1 (3)", "stage*.*.norm1 (27)", "stage0.*.conv2 (3)"]
    assert len(fewer) == 19
    assert rows(report(layers=stages(9)), most=10) == [
        "stage*.*.conv1 (27)",
        "stage*.*.norm1 (27)",
        "stage*.*.conv2 (27)",
    ]


def test_increasingly_wide_rows_end_with_one_per_kind() -> None:
    of = report(layers=(*stages(9), layer("odd", 99, kind="conv")))
    sizes = [len(shown) for shown in folded(of, 1000)]
    assert [row.name for row in [*folded(of, 1000)][-1]] == ["conv layers (55)", "stage*.*.norm1 (27)"]
    assert sizes[0] > sizes[-1] == 2
    assert [len(shown) for shown in folded(of, 1)] == [2]


def test_layers_with_different_findings_never_share_a_row() -> None:
    dead = cause("blocks.5.attn.qkv", code="IH204", rule="dead-units")
    of = report(cause("blocks.1.attn.qkv"), dead, layers=blocks(6))
    for shown in folded(of, MOST):
        assert {"blocks.1.attn.qkv", "blocks.5.attn.qkv"} <= {row.name for row in shown if row.is_cause}


def test_there_is_no_row_without_layers() -> None:
    assert unfolded(report(layers=())) == []
    assert [*folded(report(layers=()), MOST)][-1] == []


def test_unfolded_has_a_row_for_each_layer() -> None:
    of = report(cause("blocks.1.norm"), layers=blocks(20))
    assert [row.name for row in unfolded(of)] == [each.name for each in of.layers]
    assert [row.name for row in unfolded(of) if row.is_cause] == ["blocks.1.norm"]


def test_two_weights_of_one_module_are_two_rows_unless_they_repeat() -> None:
    twice = (layer("mixer", 0), layer("mixer", 1, kind="norm"))
    assert rows(report(layers=twice)) == ["mixer", "mixer"]
