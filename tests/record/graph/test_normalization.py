"""Norms: torch's own and composed ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    IMAGES,
    X,
    between,
    layer_norm,
    linear,
    parameter,
    place,
    rms_norm,
)
from tests.record.reading import Written, read

NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "batch norm, evaluating": lambda x: F.batch_norm(x, torch.zeros(6), torch.ones(6)),
    "layer norm": lambda x: F.layer_norm(x, (6,)),
    "group norm": lambda x: F.group_norm(x, 2),
    "RMS norm": lambda x: F.rms_norm(x, (6,)),
    "RMS norm by hand": rms_norm,
    "RMS norm by hand in another precision": lambda x: rms_norm(x.double()).float(),
    "layer norm by hand": layer_norm,
    "layer norm by std": lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5),
    "F.normalize": lambda x: F.normalize(x, dim=-1),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_a_norm_is_found_and_looked_through(name: str, activation: Callable[[Tensor], Tensor]) -> None:
    body = read(between(lambda x: activation(NORMS[name](x))), X).layers["body"]
    assert (body.feeds, body.normed, body.activation) == ("norm", True, activation.__name__)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm([4, 6, 6])], ids=str
)
def test_a_norm_module_after_a_convolution(norm: nn.Module) -> None:
    layers = read(nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Conv2d(4, 2, 1)), IMAGES).layers
    assert place(layers["0"]) == ("norm", "relu", True, False, False, False)


def test_the_learned_gain_of_a_composed_norm_is_a_separate_layer() -> None:
    net = Written(
        lambda net, x: net.head((rms_norm(net.body(x)) * net.gain).relu()),
        body=linear(), gain=parameter(6), head=linear(6, 2),
    )  # fmt: skip
    layers = read(net, X).layers
    assert (layers["body"].feeds, layers["body"].activation) == ("norm", "relu")
    assert (layers["gain"].kind, layers["gain"].feeds, layers["gain"].activation) == ("norm", "activation", "relu")
