"""The number of packed projections in a matrix, and the fan_out of one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.reading import Written, read

X, IMAGES = torch.randn(2, 3, 6), torch.randn(2, 6, 5, 5)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def by_heads(packed: Tensor) -> Tensor:
    """Split as timm does: [batch, length, 3, heads, features], with the three moved to the front."""
    return packed.reshape(2, 3, 3, 2, 3).permute(2, 0, 3, 1, 4)


def selected(heads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return heads[0], heads[1], heads[2]


def normed_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(F.layer_norm(q, (6,)), F.layer_norm(k, (6,)), v)


def merged(mixed: Tensor) -> Tensor:
    return mixed.transpose(1, 2).reshape(2, 3, 6)


def turned(x: Tensor) -> Tensor:
    """Return a rotation within each half: two halves that are combined again."""
    one, other = x.chunk(2, -1)
    return torch.cat([one * 0.6 - other * 0.8, other * 0.6 + one * 0.8], -1)


Way = Callable[[Any, Tensor], Tensor]  # from a layer's output on

PACKED: dict[str, tuple[int, int, Way]] = {
    "query, key, value by chunk": (18, 3, lambda net, y: attend(*y.chunk(3, -1))),
    "by split": (18, 3, lambda net, y: attend(*y.split(6, dim=2))),
    "by tensor_split": (18, 3, lambda net, y: attend(*y.tensor_split(3, -1))),
    "by slices": (18, 3, lambda net, y: attend(y[..., :6], y[..., 6:12], y[..., 12:])),
    "by heads and unbind": (18, 3, lambda net, y: merged(attend(*by_heads(y).unbind(0)))),
    "by heads and selection": (18, 3, lambda net, y: merged(attend(*selected(by_heads(y))))),
    "by hand, key and value": (12, 2, lambda net, y: (X @ y.chunk(2, -1)[0].mT).softmax(-1) @ y.chunk(2, -1)[1]),
    "behind a norm of query and key": (18, 3, lambda net, y: normed_heads(*y.chunk(3, -1))),
    "SwiGLU": (12, 2, lambda net, y: F.silu(y.chunk(2, -1)[0]) * y.chunk(2, -1)[1]),
    "F.glu": (12, 2, lambda net, y: F.glu(y)),
    "gates of a recurrent cell": (
        24, 4,
        lambda net, y: torch.sigmoid(y.chunk(4, -1)[0]) * torch.tanh(y.chunk(4, -1)[1])
        + torch.sigmoid(y.chunk(4, -1)[2]) * torch.sigmoid(y.chunk(4, -1)[3]),
    ),
    "shift and scale": (12, 2, lambda net, y: net.normed() * (1 + y.chunk(2, -1)[0]) + y.chunk(2, -1)[1]),
    "mean and log variance": (12, 2, lambda net, y: y.chunk(2, -1)[0] + (y.chunk(2, -1)[1] / 2).exp()),
}  # fmt: skip
ALONE: dict[str, tuple[int, Way]] = {
    "heads": (6, lambda net, y: merged(attend(*[y.view(2, 3, 2, 3).transpose(1, 2)] * 3))),
    "a rotation": (6, lambda net, y: attend(turned(y), X, X)),
    "positions taken one by one": (6, lambda net, y: torch.stack([y[:, 0].tanh(), y[:, 1].sigmoid()], 1)),
    "parts of other sizes": (18, lambda net, y: y[..., :6].tanh() * y[..., 6:].sigmoid().view(2, 3, 2, 6).mean(2)),
    "halves that are activated alike": (
        12,
        lambda net, y: torch.cat([y[..., :6].relu(), y[..., 6:].relu()], -1)[..., :6],
    ),
    "one half alone": (12, lambda net, y: y.chunk(2, -1)[0].tanh()),
    "split behind an activation": (12, lambda net, y: y.relu().chunk(2, -1)[0] * y.relu().chunk(2, -1)[1].sin()),
}


class Split(Written):
    def normed(self) -> Tensor:
        """A normalized signal from elsewhere."""
        return F.layer_norm(cast(nn.Linear, self.other)(X), (6,))


def net(width: int, way: Way, *, bias: bool = True) -> Split:
    def forward(model: Any, x: Tensor) -> Tensor:
        output: Tensor = model.head(way(model, model.layer(x)))
        return output

    return Split(forward, layer=nn.Linear(6, width, bias=bias), other=nn.Linear(6, 6), head=nn.Linear(6, 2))


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("bias", [True, False])
def test_packed_projections(name: str, bias: bool) -> None:
    width, parts, way = PACKED[name]
    layer = read(net(width, way, bias=bias), X).layers["layer"]
    assert layer.weight is not None
    assert (layer.packed, layer.weight.fan_in, layer.weight.fan_out) == (parts, 6, width // parts)


@pytest.mark.parametrize("name", ALONE)
def test_one_projection(name: str) -> None:
    width, way = ALONE[name]
    layer = read(net(width, way), X).layers["layer"]
    assert layer.weight is not None
    assert (layer.packed, layer.weight.fan_out) == (1, width)


@pytest.mark.parametrize("same", [True, False], ids=["self", "cross"])
def test_multihead_attention_packs_three(same: bool) -> None:
    """With other keys it splits its matrix into three; the parameter is the same."""
    model = Written(
        lambda net, x: net.attention(x, *[x if same else x * 2] * 2)[0],
        attention=nn.MultiheadAttention(6, 2, batch_first=True),
    )
    weight = read(model, X).layers["attention"]
    assert weight.weight is not None
    assert (weight.packed, weight.weight.fan_in, weight.weight.fan_out) == (3, 6, 6)


def test_a_gated_convolution_packs_two() -> None:
    """If whole groups are split off, each input affects only one half."""

    def forward(net: Any, x: Tensor) -> Tensor:
        one, other = net.conv(x).chunk(2, 1)
        return cast(Tensor, one.tanh() * other.sigmoid())

    for groups, fan_out in ((1, 6 * 9), (6, 2 * 9), (2, 6 * 9)):
        layer = read(Written(forward, conv=nn.Conv2d(6, 12, 3, groups=groups)), IMAGES).layers["conv"]
        assert layer.weight is not None
        assert (layer.packed, layer.weight.fan_out) == (2, fan_out)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_the_gates_of_a_recurrent_layer(kind: Callable[..., nn.Module], gates: int) -> None:
    model = Written(lambda net, x: net.cell(x)[0], cell=kind(6, 5, batch_first=True))
    for layer in read(model, X).layers.values():
        assert layer.weight is not None
        assert (layer.packed, layer.weight.fan_out) == (gates, 5)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_the_gates_of_an_unrolled_cell(kind: Callable[..., nn.Module], gates: int) -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        state: Any = None
        for step in x.unbind(1):
            state = net.cell(step, state)
        return cast(Tensor, state[0] if isinstance(state, tuple) else state)

    for layer in read(Written(forward, cell=kind(6, 5)), X).layers.values():
        assert layer.weight is not None
        assert (layer.packed, layer.weight.fan_in, layer.weight.fan_out) == (
            gates, 6 if "ih" in layer.name else 5, 5
        )  # fmt: skip
