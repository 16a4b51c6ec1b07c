"""How each role is initialized."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.fix_text import Fix
from inithealth.planning.weight_roles import Network, operations_for, role_of
from inithealth.recording import Layer
from tests.rules.recordings import layer

NETWORK = Network(tied={}, sharp={}, chains=(), normalized=True, summed=True)
TABLE = {"kind": "embedding", "activation": None, "weight": {"shape": (50, 64), "fan_in": 1}}


def code(fc: Layer, network: Network = NETWORK) -> str:
    assert fc.weight is not None
    return Fix.of(operations_for(role_of(fc, fc.weight, network), [fc], network))


@pytest.mark.parametrize(
    ("place", "title", "call"),
    [
        ({}, "Layers before relu", 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="relu")'),
        ({"activation": "gelu"}, "Layers before gelu", "nn.init.normal_(model.fc.weight, std=0.157)"),
        (
            {"activation": "tanh"},
            "Layers before tanh",
            'nn.init.xavier_uniform_(model.fc.weight, gain=nn.init.calculate_gain("tanh"))',
        ),
        (
            {"activation": "selu"},
            "Layers before selu",
            'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="linear")',
        ),
        ({"activation": None}, "Layers without an activation", "nn.init.xavier_uniform_(model.fc.weight)"),
        (
            {"activation": None, "feeds": "attention"},
            "Projections of attention",
            "nn.init.xavier_uniform_(model.fc.weight)",
        ),
        (
            {"activation": None, "ends_branch": True},
            "Last layers of residual branches",
            "nn.init.xavier_uniform_(model.fc.weight)",
        ),
        (
            {"activation": None, "ends_branch": True, "scales": ("gamma",)},
            "Layers without an activation",
            "nn.init.xavier_uniform_(model.fc.weight)",
        ),
        ({"activation": None, "head": True}, "Heads", "nn.init.normal_(model.fc.weight, std=0.0589)"),
        ({"kind": "norm", "weight": {"shape": (96,)}}, "Normalizations", "nn.init.ones_(model.fc.weight)"),
        ({**TABLE, "feeds": "layer"}, "Embeddings", "nn.init.normal_(model.fc.weight, std=1)"),
        (
            {**TABLE, "feeds": "norm"},
            "Embeddings that a normalization reads",
            "nn.init.normal_(model.fc.weight, std=0.125)",
        ),
        (
            {**TABLE, "feeds": "gate"},
            "Embeddings that are multiplied with each other",
            "nn.init.normal_(model.fc.weight, std=0.1)",
        ),
    ],
)
def test_a_layer_is_initialized_by_its_role(place: dict[str, Any], title: str, call: str) -> None:
    fc = layer("fc", 0, **place)
    assert fc.weight is not None
    assert role_of(fc, fc.weight, NETWORK).title == title
    assert code(fc) == call


def test_recurrent_weights_are_orthogonal_and_their_inputs_are_not() -> None:
    hidden = layer("rnn", 0, kind="rnn", weight={"name": "rnn.weight_hh_l0"})
    inputs = layer("rnn", 0, kind="rnn", weight={"name": "rnn.weight_ih_l0"})
    assert code(hidden) == "nn.init.orthogonal_(model.rnn.weight_hh_l0)"
    assert code(inputs) == "nn.init.xavier_uniform_(model.rnn.weight_ih_l0)"


def test_deep_chains_are_orthogonal_and_tied_tables_small() -> None:
    fc, table = layer("fc", 0, activation="tanh"), layer("fc", 0, **TABLE, feeds="layer")
    assert code(fc, NETWORK._replace(chains={"fc.weight"})) == "nn.init.orthogonal_(model.fc.weight)"
    assert code(table, NETWORK._replace(tied={"fc.weight": 0.3})) == "nn.init.normal_(model.fc.weight, std=0.3)"
    query = layer("fc", 0, activation=None, feeds="attention")
    assert code(query, NETWORK._replace(sharp={"fc.weight": 0.05})) == "nn.init.normal_(model.fc.weight, std=0.05)"


def test_branches_whose_sum_is_normalized_are_not_scaled() -> None:
    fc = layer("fc", 0, activation=None, ends_branch=True)
    assert fc.weight is not None
    assert role_of(fc, fc.weight, NETWORK._replace(summed=False)).title == "Layers without an activation"
