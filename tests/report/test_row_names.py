"""Names of rows: with ``*`` for numbers that all share, and a list of numbers if others are in another row."""

from __future__ import annotations

import pytest

from inithealth.layer_names import NumberedName, split_numbers
from inithealth.report.row_names import called, row_name, tail
from tests.rules.recordings import layer, weight


def alike(*names: str) -> dict[str, list[NumberedName]]:
    found: dict[str, list[NumberedName]] = {}
    for name in map(split_numbers, names):
        found.setdefault(name.pattern, []).append(name)
    return found


def row(*names: str, others: tuple[str, ...] = (), kind: str = "linear") -> str:
    return row_name([layer(name, place, kind=kind) for place, name in enumerate(names)], alike(*names, *others))


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (("fc1",), "fc1"),
        (("blocks.0.fc", "blocks.1.fc"), "blocks.*.fc (2)"),
        (("blocks.0.mlp.2", "blocks.1.mlp.2"), "blocks.*.mlp.2 (2)"),
        (("layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"), "layer1.*.conv* (3)"),
        (("encoder_layer_0.fc", "encoder_layer_1.fc"), "encoder_layer_*.fc (2)"),
        (("0", "2", "4"), "* (3)"),
        (("enc.0.fc", "dec.1.fc"), "*.fc (2)"),
        (("down.emb.1", "up.emb.1"), "*.emb.1 (2)"),
        (("down.emb.1", "up.emb.2"), "*.emb.* (2)"),
        (("enc.norm1", "dec.norm"), "norm layers (2)"),
        (("fc", "out"), "linear layers (2)"),
        (("same", "same"), "same (2)"),
    ],
)
def test_a_row_has_the_common_part_of_its_names(names: tuple[str, ...], called: str) -> None:
    assert row(*names, kind="norm" if "norm" in called else "linear") == called


@pytest.mark.parametrize(
    ("numbers", "others", "called"),
    [
        ((0, 1, 2, 4), (3,), "blocks.{0-2,4}.fc (4)"),
        ((7, 9), (8,), "blocks.{7,9}.fc (2)"),
        ((0, 1), (), "blocks.*.fc (2)"),
        (tuple(range(0, 60, 2)), tuple(range(1, 60, 2)), "blocks.*.fc (30)"),
    ],
)
def test_the_numbers_are_listed_if_others_are_in_another_row(
    numbers: tuple[int, ...], others: tuple[int, ...], called: str
) -> None:
    elsewhere = tuple(f"blocks.{number}.fc" for number in others)
    assert row(*(f"blocks.{number}.fc" for number in numbers), others=elsewhere) == called


def test_layers_at_another_position_in_the_block_do_not_count() -> None:
    assert row("b.0.fc1", "b.1.fc1", others=("b.0.fc2", "b.1.fc2")) == "b.*.fc1 (2)"


def test_a_parameter_next_to_a_modules_layers_has_its_own_name() -> None:
    positions = layer("encoder", 0, kind="other")
    positions = positions.model_copy(update={"weight": weight("encoder.positions")})
    assert called(positions) == "encoder.positions"
    assert called(layer("encoder.fc", 0)) == "encoder.fc"
    assert called(layer("encoder", 0, kind="other").model_copy(update={"weight": None})) == "encoder"


@pytest.mark.parametrize(
    ("name", "end"), [("a.b.fc", "fc"), ("a.emb.1", "emb.1"), ("a.emb.1.2", "emb.1.2"), ("3", "3"), ("", "")]
)
def test_the_end_of_a_name_starts_at_its_last_word(name: str, end: str) -> None:
    assert tail(name) == end
