"""The layer of a parameter or an operation, and its place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.layers.naming import Naming, dimensions, module_kind
from tests.record.reading import Written, flow_behind


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.Linear(2, 2), "linear"),
        (nn.Conv1d(2, 2, 1), "conv"),
        (nn.ConvTranspose2d(2, 2, 1), "conv"),
        (nn.Embedding(2, 2), "embedding"),
        (nn.EmbeddingBag(2, 2), "embedding"),
        (nn.GRU(2, 2), "rnn"),
        (nn.LSTMCell(2, 2), "rnn"),
        (nn.BatchNorm2d(2), "norm"),
        (nn.InstanceNorm1d(2), "norm"),
        (nn.LayerNorm(2), "norm"),
        (nn.RMSNorm(2), "norm"),
        (nn.Bilinear(2, 2, 2), "bilinear"),
        (nn.Sequential(nn.Linear(2, 2)), "other"),
        (None, "other"),
    ],
)
def test_the_kind_of_a_module(module: nn.Module | None, kind: str) -> None:
    assert module_kind(module) == kind


def test_a_lazy_parameter_has_no_dimensions_yet() -> None:
    assert dimensions(nn.Parameter(torch.ones(2, 3))) == 2
    assert dimensions(nn.parameter.UninitializedParameter()) == 0


class Block(nn.Module):
    """One matrix in a module, two in another, and a tied one."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.cell, self.embedding = nn.Linear(3, 3), nn.GRUCell(3, 3), nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight
        self.fc.bias.requires_grad_(False)


def test_a_layer_is_its_module_or_its_parameter_if_there_are_several_matrices() -> None:
    naming = Naming(nn.Sequential(Block()))
    assert naming.layer("0.fc.weight") == naming.layer("0.fc.bias") == "0.fc"
    assert naming.layer("0.cell.weight_ih") == "0.cell.weight_ih"
    assert naming.module("0.cell.weight_ih") == "0.cell"
    assert "0.head.weight" not in naming.parameters
    assert naming.tied == {"0.embedding.weight": ("0.head.weight",)}
    assert "0.fc.bias" in naming.parameters.keys() - naming.trainable


class Mixer(nn.Module):
    """Two vectors beside a matrix, as a state-space layer has."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj = nn.Parameter(torch.ones(2, 2))
        self.a_log, self.d, self.bias = (nn.Parameter(torch.ones(2)) for _ in range(3))


def test_vectors_beside_another_weight_are_layers_of_their_own() -> None:
    naming = Naming(nn.ModuleDict({"mixer": Mixer(), "norm": nn.LayerNorm(2)}))
    names = {name: naming.layer(name) for name in naming.parameters if not name.endswith("bias")}
    assert names == {
        "mixer.in_proj": "mixer",
        "mixer.a_log": "mixer.a_log",
        "mixer.d": "mixer.d",
        "norm.weight": "norm",
    }


@pytest.mark.parametrize(
    ("parameter", "place"),
    [
        ("blocks.0.body.fc1.weight", "blocks.fc1.weight"),
        ("blocks.1.fc1.weight", "blocks.fc1.weight"),
        ("blocks.1.out.weight", "blocks.out.weight"),
        ("head.weight", "head.weight"),
    ],
)
def test_a_place_has_neither_numbers_nor_single_module_containers(parameter: str, place: str) -> None:
    model = nn.Module()
    inner = nn.ModuleDict({"fc1": nn.Linear(2, 2), "out": nn.Linear(2, 2)})
    model.blocks = nn.ModuleList([nn.ModuleDict({"body": inner}), nn.ModuleDict(dict(inner.items()))])
    model.head = nn.Linear(2, 2)
    naming = Naming(model)
    fc1 = naming.place("blocks.0.body.fc1.weight"), naming.place("blocks.1.fc1.weight")
    assert fc1[0] == fc1[1]
    assert naming.place(parameter).endswith(place.rpartition(".")[2])
    assert (naming.place(parameter) == fc1[0]) is (place == "blocks.fc1.weight")


def test_a_parametrized_weight_has_the_place_of_a_plain_one() -> None:
    plain, shaped = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    nn.utils.parametrizations.weight_norm(shaped[0])
    assert Naming(plain).place("0.weight") == Naming(shaped).place("0.parametrizations.weight.original1")


def layers(model: nn.Module, *args: Any) -> dict[str, str]:
    """Return the layer of each operation by node."""
    flow = flow_behind(model, model(*args))
    return {flow.graph.names[node]: layer for node, layer in Naming(model).layers(flow).items()}


def test_a_tied_weight_is_a_layer_for_each_use() -> None:
    tied = Block()
    net = Written(lambda net, x: net.block.head(net.block.fc(net.block.embedding(x)).relu()), block=tied)
    assert set(layers(net, torch.arange(4)).values()) == {"block.embedding", "block.fc", "block.head"}


def test_a_use_without_a_module_has_name_and_kind() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return F.linear(net.embedding(x).relu(), net.embedding.weight)

    found = layers(Written(forward, embedding=nn.Embedding(5, 3)), torch.arange(4))
    assert set(found.values()) == {"embedding", "embedding (as linear)"}


def test_the_larger_factor_is_the_weight() -> None:
    model = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    flow = flow_behind(model, model(torch.randn(2, 3)))
    naming = Naming(model)
    (operation,) = [each for each in flow.operations.values() if each.transformed]
    assert naming.main(operation) == "parametrizations.weight.original1"


def test_parameters_whose_memory_is_freed_are_dropped() -> None:
    model = nn.Linear(2, 2)
    naming = Naming(model)
    assert naming.drop_freed() == {}
    model.weight.untyped_storage().resize_(0)
    assert naming.drop_freed() == {id(model.weight): "weight"}
    assert (list(naming.parameters), naming.trainable) == (["bias"], {"bias"})
