"""Which layers have the same role, for each kind of role."""

from __future__ import annotations

import pytest

from inithealth.evidence.roles import author_role, block_role, copied_block, grouped, level_role, scale_role
from inithealth.layer_names import without_numbers
from inithealth.recording import Layer
from tests.rules.recordings import layer


def named(name: str, **fields: object) -> Layer:
    place = without_numbers(name).replace("..", ".")
    return layer(name, 0).model_copy(update={"place": place, **fields})


def test_groups_keep_the_order_of_their_first_layer() -> None:
    layers = [named("b.0"), named("a.0"), named("b.1")]
    assert [[each.name for each in group] for group in grouped(layers, block_role)] == [["b.0", "b.1"], ["a.0"]]


def test_blocks_repeat_by_position_not_by_a_number_in_a_word() -> None:
    assert block_role(named("blocks.0.fc1")) == block_role(named("blocks.7.fc1"))
    assert block_role(named("blocks.0.fc1")) != block_role(named("blocks.0.fc2"))
    assert block_role(named("blocks.0.fc1")) != block_role(named("blocks.0.fc1", type_name="Conv2d"))


def test_scales_are_compared_by_the_end_of_the_name_and_by_what_is_fed() -> None:
    one, other = named("stage1.conv1", feeds="activation"), named("stage2.conv2", feeds="activation")
    assert scale_role(one) == scale_role(other)
    assert scale_role(one) != scale_role(named("stage1.conv1", feeds="residual"))
    assert scale_role(one) != scale_role(named("stage1.conv1", feeds="activation", ends_branch=True))
    assert scale_role(one) == scale_role(named("stage1.conv1", feeds="activation", type_name="ParametrizedLinear"))


def test_the_position_in_a_block_counts_without_a_graph() -> None:
    unknown = {"feeds": "unknown"}
    assert scale_role(named("blocks.3.0", **unknown)) == scale_role(named("blocks.4.0", **unknown))
    assert scale_role(named("blocks.3.0", **unknown)) != scale_role(named("blocks.3.2", **unknown))
    assert scale_role(named("blocks.3", **unknown)) == scale_role(named("blocks.4", **unknown))


def test_one_author_initializes_a_class_within_a_module() -> None:
    layers = [named(name) for name in ("blocks.0.fc1", "blocks.0.fc2", "blocks.1.fc1", "blocks.1.fc2", "neck.fc")]
    role = author_role(layers)
    assert len({role(each) for each in layers[:4]}) == 1
    assert role(layers[0]) != role(layers[4])
    assert role(layers[0]) != role(named("blocks.0.fc1", kind="conv"))


def test_a_wrapper_of_one_layer_has_no_author_of_its_own() -> None:
    layers = [named(name) for name in ("stem.cbr1.conv", "stem.cbr2.conv", "stem.cbr3.conv")]
    role = author_role(layers)
    assert len({role(each) for each in layers}) == 1


@pytest.mark.parametrize(
    ("change", "alike"),
    [({"weight": None}, True), ({"normed": True}, False), ({"head": True}, False), ({"bypassable": True}, False)],
)
def test_levels_are_compared_regardless_of_the_shape(change: dict[str, object], alike: bool) -> None:
    assert (level_role(named("a.fc1")) == level_role(named("b.fc2", **change))) is alike


def test_copies_of_one_block() -> None:
    assert copied_block(["layers.0.fc1", "layers.1.fc1"]) == copied_block(["layers.0.fc2", "layers.1.fc2"])
    assert copied_block(["layers.0.fc1", "layers.1.fc1"]) != copied_block(["layers.0.fc1", "layers.2.fc1"])
    assert copied_block(["a", "b"]) == ("a", "b")
