"""Layers whose output is positions: how they are used, and that they are no heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Layer
from tests.record.graph.small_nets import IMAGES, linear
from tests.record.reading import Written, read

Warp = Callable[[Any, Tensor, Tensor], Tensor]  # the network, the images, the layer's output


def sampled(x: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(x, grid, align_corners=False)


def affine(net: Any, x: Tensor, out: Tensor) -> Tensor:
    return sampled(x, F.affine_grid(out.view(-1, 2, 3), x.shape, align_corners=False))


def zoom(net: Any, x: Tensor, out: Tensor) -> Tensor:
    zero = torch.zeros_like(out[:, 0])
    rows = [torch.stack([out[:, 0], zero, out[:, 1]], 1), torch.stack([zero, out[:, 0], out[:, 2]], 1)]
    return sampled(x, F.affine_grid(torch.stack(rows, 1), x.shape, align_corners=False))


def offsets(net: Any, x: Tensor, out: Tensor) -> Tensor:
    identity = F.affine_grid(torch.eye(2, 3)[None], x[:1].shape, align_corners=False)
    return sampled(x, identity + out[:, None, :2].view(-1, 1, 1, 2))


def points(net: Any, x: Tensor, out: Tensor) -> Tensor:
    return sampled(x, out.view(-1, 1, 3, 2)).expand(-1, -1, 8, -1)


def warped(warp: Warp, then: bool = True) -> dict[str, Layer]:
    """The layers of a network that samples its images at positions, with or without a layer after it."""

    def forward(net: Any, x: Tensor) -> Tensor:
        out = warp(net, x, net.place(net.body(x.flatten(1)).relu()))
        return net.head(out.flatten(2).mean(-1)) if then else out

    parts = {"body": linear(3 * 64, 8), "place": linear(8, 6)}
    return read(Written(forward, **parts, **({"head": linear(3, 2)} if then else {})), IMAGES).layers


WARPS = {"affine": affine, "transformation": zoom, "offsets": offsets, "positions": points}


@pytest.mark.parametrize("then", [True, False])
@pytest.mark.parametrize("use", WARPS)
def test_how_positions_are_used(use: str, then: bool) -> None:
    layers = warped(WARPS[use], then)
    assert (layers["place"].steers, layers["place"].head, layers["place"].inner) == (use, False, False)
    assert layers["body"].steers == ""
    assert layers["body"].inner
    assert [name for name, layer in layers.items() if layer.head] == (["head"] if then else [])


def test_positions_of_the_data_are_set_by_no_layer() -> None:
    grid = torch.rand(2, 4, 4, 2)
    net = Written(lambda net, x: net.head(sampled(net.body(x), grid)), body=nn.Conv2d(3, 4, 1), head=nn.Conv2d(4, 2, 1))
    assert all(layer.steers == "" for layer in read(net, IMAGES).layers.values())


def test_matches_are_scores_not_positions() -> None:
    """Positions averaged with the weights of a softmax are inside by construction."""

    def forward(net: Any, x: Tensor) -> Tensor:
        features = net.query(x.flatten(2).mT)
        weights = (features @ features.mT).softmax(-1)
        return net.head(sampled(x, (weights @ net.grid).view(-1, 8, 8, 2)))

    grid = F.affine_grid(torch.eye(2, 3)[None], [1, 3, 8, 8], align_corners=False).view(1, 64, 2)
    net = Written(forward, query=linear(3, 4), head=nn.Conv2d(3, 2, 1), grid=grid)
    assert read(net, IMAGES).layers["query"].steers == ""


@pytest.mark.parametrize(
    ("mix", "heads"),
    [
        (lambda gate, values: (gate.softmax(-1)[..., None] * values).sum(1), ["values"]),
        (lambda gate, values: torch.cat([gate, values.flatten(1)], 1), ["gate", "values"]),
    ],
    ids=["mixing coefficients", "two outputs"],
)
def test_mixing_coefficients_are_no_head(mix: Callable[[Tensor, Tensor], Tensor], heads: list[str]) -> None:
    net = Written(lambda net, x: mix(net.gate(x), net.values(x).view(-1, 3, 2)), gate=linear(6, 3), values=linear(6, 6))
    layers = read(net, torch.randn(5, 6)).layers
    assert [name for name in ("gate", "values") if layers[name].head] == heads
