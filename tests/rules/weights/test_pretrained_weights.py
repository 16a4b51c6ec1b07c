"""IH109: trained layers are detected by their spectra."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from inithealth import Severity
from inithealth.evidence.trained import trained_layers
from inithealth.recording import Layer, Loss
from inithealth.rules.weights.pretrained_weights import PretrainedWeights
from inithealth.rules.weights.weight_scale import WeightScale
from tests.rules.nets import finding, judged
from tests.rules.recordings import judge, layer, recording, stack


def learnt() -> tuple[nn.Sequential, Tensor, Any]:
    """Return a network that was trained on digits for a second."""
    pictures, digits = load_digits(return_X_y=True)
    x, y = torch.tensor(pictures, dtype=torch.float32) / 8 - 1, torch.tensor(digits)
    torch.manual_seed(0)
    parts = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
    model = nn.Sequential(*parts, nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for start in range(0, 64 * 200, 64):
        chosen = torch.arange(start, start + 64) % len(x)
        optimizer.zero_grad()
        F.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return model, x[:64], lambda output: F.cross_entropy(output, y[:64])


def test_a_trained_network_is_recognized() -> None:
    model, batch, loss = learnt()
    report = judged(model, batch, loss)
    assert report.ok
    assert {"0", "2", "4"} <= set(finding(report, "IH109").layers)
    model[6] = nn.Linear(128, 10)
    nn.init.normal_(model[6].weight, std=5.0)
    fresh_head = judged(model, batch, loss)
    assert finding(fresh_head, "IH106").layers == ("6",)
    assert "6" not in finding(fresh_head, "IH109").layers
    for linear in model[::2]:
        linear.reset_parameters()
    assert judged(model, batch, loss).causes == ()


TRAINED, FRESH = {"spectral_edge": 1.8}, {"spectral_edge": 0.98}


def body(edge: float = 1.8, **changes: Any) -> tuple[Layer, ...]:
    """Return four trained layers and a new head."""
    parts: dict[str, Any] = {f"fc{number}": {"weight": {"spectral_edge": edge}} for number in range(4)}
    return stack(**{**parts, "head": {"weight": FRESH}, **changes})


def test_a_trained_body_is_info_without_its_new_head() -> None:
    (found,) = judge(PretrainedWeights, recording(body()))
    assert (found.severity, found.layers) == (Severity.INFO, ("fc0", "fc1", "fc2", "fc3"))
    assert "median largest singular value is 1.8x that of random weights" in found.message
    assert found.message.endswith("; newly initialized: head")
    assert (found.measured, found.limit) == (1.8, 1.15)


def test_fresh_networks_have_no_finding() -> None:
    assert judge(PretrainedWeights, recording(body(0.99))) == []
    assert judge(PretrainedWeights, recording()) == []


@pytest.mark.parametrize("odd", [1, 2])
def test_one_unusual_matrix_does_not_make_a_network_pretrained(odd: int) -> None:
    """Not even if it contains most of the weights."""
    big = {"weight": {**TRAINED, "shape": (96, 4096), "fan_in": 4096}}
    layers = stack(**{f"fc{number}": big if number < odd else {"weight": FRESH} for number in range(4)})
    assert trained_layers(recording(layers)) == frozenset()


def test_adapters_on_a_frozen_base_are_judged_as_new() -> None:
    """They are the majority by number, but the base is by weight."""
    layers: list[Layer] = []
    for number in range(4):
        frozen = {**TRAINED, "trainable": False, "shape": (512, 512)}
        layers.append(layer(f"h.{number}.base", len(layers), weight=frozen))
        layers.append(layer(f"h.{number}.A", len(layers), weight={**FRESH, "shape": (8, 512)}))
        layers.append(layer(f"h.{number}.B", len(layers), weight={"shape": (512, 8), "rms": 0.0}))
    assert trained_layers(recording(tuple(layers))) == {f"h.{number}.base" for number in range(4)}


def test_a_layer_without_a_clear_spectrum_follows_its_peers() -> None:
    layers = [layer(f"h.{number}.fc", number, weight=TRAINED if number else FRESH) for number in range(4)]
    norm = layer("norm", 4, kind="norm", weight={"shape": (96,), "fan_in": None})
    tiny = layer("gate", 5, weight={"shape": (4, 96), "fan_out": 4, "spectral_edge": 1.2})
    new = layer("new", 6, weight=FRESH)
    assert trained_layers(recording((*layers, norm, tiny, new))) == {
        *(f"h.{number}.fc" for number in range(4)), "norm", "gate",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fault",
    [
        {"row_cosine": 0.9},
        {"duplicate_rows": 0.25},
        {"abs_max": 40.0 * (2 / 96) ** 0.5},  # one large element
        {"constant": True},
        {"orthogonal": True},
        {"identity": True},
        {"non_finite": 1},
        {"rms": 0.0},
        {"shape": (4, 96)},
    ],
)
def test_spectral_edges_of_faulty_initializations_do_not_show_training(fault: dict[str, Any]) -> None:
    layers = stack(**{f"fc{number}": {"weight": {**TRAINED, **fault}} for number in range(4)})
    assert trained_layers(recording(layers)) == frozenset()


def test_embeddings_are_no_evidence_but_belong_to_a_pretrained_network() -> None:
    table = {"kind": "embedding", "weight": {**TRAINED, "shape": (5000, 96), "fan_in": 1}}
    assert trained_layers(recording(stack(fc0=table))) == frozenset()
    assert "fc0" in trained_layers(recording(body(fc0=table)))


def test_each_expert_in_a_tensor_is_a_matrix() -> None:
    experts = {"kind": "bmm", "weight": {**TRAINED, "shape": (4, 96, 96)}}
    assert len(trained_layers(recording(body(fc0=experts)))) == 4


def test_scale_rules_skip_trained_layers() -> None:
    wide = Loss(kind="cross_entropy", classes=10, logits_std=20.0)
    off = {"weight": {"rms": 5.0, "spectral_edge": 1.8}}
    assert judge(WeightScale, recording(body(fc1=off), loss=wide)) == []
    loud = {"weight": {"rms": 5.0, "spectral_edge": 0.98}}
    assert [found.layers for found in judge(WeightScale, recording(body(head=loud), loss=wide))] == [("head",)]


def test_options() -> None:
    assert judge(PretrainedWeights, recording(body()), max_random_edge=2.0) == []
    assert judge(PretrainedWeights, recording(body()), min_share=0.9) == []
