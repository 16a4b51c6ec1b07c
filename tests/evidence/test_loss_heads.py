"""The layers that predictions come from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.evidence.loss_heads import (
    LARGE_HEAD,
    heads_of,
    is_between_layers,
    is_biased,
    multiplied_after,
    variant_of,
)
from inithealth.recording import Layer, Recording
from tests.record.reading import read

X, TARGETS = (torch.randn(32, size, generator=torch.Generator().manual_seed(size)) for size in (8, 3))


def recorded(model: nn.Module) -> tuple[Recording, list[Layer]]:
    def loss(output: Tensor) -> Tensor:
        return F.mse_loss(output, TARGETS)

    recording = read(model, X, loss=loss).recording
    return recording, heads_of(recording, recording.loss)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def test_the_last_layer_is_the_head() -> None:
    recording, heads = recorded(network())
    assert [layer.name for layer in heads] == ["2"]
    assert not is_between_layers(heads)
    assert variant_of(recording, heads) == ""


def test_a_head_that_amplifies() -> None:
    model = network()
    model[2].weight.data.mul_(100.0)
    assert variant_of(*recorded(model)) == LARGE_HEAD


def test_the_code_multiplies_the_outputs() -> None:
    recording, heads = recorded(network())
    (measured,) = [each.output for each in recording.steps[0].layers if each.layer == "2"]
    assert measured is not None
    assert multiplied_after(recording, heads, 100 * measured.rms) == 100.0
    assert multiplied_after(recording, heads, 3 * measured.rms) is None
    assert multiplied_after(recording, [], 100.0) is None
    model = network()
    model[2].weight.data.mul_(100.0)  # the head itself is at fault
    assert multiplied_after(*recorded(model), 10_000.0) is None


def test_a_head_whose_bias_dominates() -> None:
    model = network()
    assert not is_biased(*recorded(model))
    model[2].bias.data.fill_(30.0)
    assert is_biased(*recorded(model))


def test_a_loss_on_the_output_of_an_inner_layer() -> None:
    recording, _ = recorded(network())
    assert is_between_layers([recording.layer("0")])
