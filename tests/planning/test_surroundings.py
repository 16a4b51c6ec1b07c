"""What the initialization of a layer depends on beyond the layer."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.planning.surroundings import chains, is_gated, tied_heads, with_peers
from inithealth.recording import Layer
from inithealth.theory.recipes import is_recurrent
from tests.rules.recordings import layer, recording


@pytest.mark.parametrize(
    ("type_name", "recurrent", "gated"),
    [("LSTM", True, True), ("GRUCell", True, True), ("RNN", True, False), ("Linear", False, False)],
)
def test_recurrent_layers_and_gates(type_name: str, recurrent: bool, gated: bool) -> None:
    fc = layer("fc", 0, type_name=type_name)
    assert (is_recurrent(fc), is_gated(fc)) == (recurrent, gated)


def chain(count: int, **more: Any) -> list[Layer]:
    return [layer(f"body.{number}", number, **{"activation": "tanh", **more}) for number in range(count)]


@pytest.mark.parametrize(
    ("more", "amount"),
    [
        ({}, 9),
        ({"activation": None, "feeds": "layer"}, 9),
        ({"activation": "relu"}, 0),
        ({"normed": True}, 0),
        ({"bypassable": True}, 0),
        ({"weight": {"shape": (96, 48)}}, 0),
    ],
)
def test_chains_are_deep_and_nothing_else_keeps_their_scale(more: dict[str, Any], amount: int) -> None:
    assert len(chains(chain(9, **more))) == amount
    assert not chains(chain(7, **more))


def test_a_table_that_is_also_the_head_is_tied() -> None:
    table = layer("tokens", 0, kind="embedding")
    head = layer("tokens (as linear)", 1, head=True, weight={"name": "tokens.weight"})
    assert tied_heads([table, head]) == {"tokens.weight"}
    assert not tied_heads([table])


def test_experts_that_were_not_used_have_the_role_of_those_that_were() -> None:
    used = layer("experts.0", 0, weight={"fan_in": 96})
    unused = layer("experts.1", 1, kind="other", activation=None, feeds="unknown", weight={"fan_in": None})
    alone = layer("positions", 2, kind="other", activation=None, feeds="unknown")
    found = with_peers(recording((used, unused, alone)))
    assert [each.name for each in found] == ["experts.0", "experts.1", "positions"]
    assert [each.kind for each in found] == ["linear", "linear", "other"]
    assert found[1].parameter == "experts.1.weight"
    assert found[1].weight is not None
    assert found[1].weight.fan_in == 96
