"""The parameter axes of the same hidden units: permuting them together does not change the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from tests.zoo.nets import conv, gpt, mlp, recurrent, transformer


class Axis(NamedTuple):
    """An axis with ``copies`` of all units, each of which has ``span`` adjacent elements."""

    parameter: str
    dim: int
    copies: int = 1  # 3 for packed query, key and value; 4 for an LSTM's gates
    span: int = 1  # features of a head, pixels of a channel


class Units(NamedTuple):
    """Interchangeable hidden units, and the axes that index them."""

    number: int
    axes: tuple[Axis, ...]


def permuted(model: nn.Module, seed: int) -> nn.Module:
    """Return a copy of the model with the hidden units of every layer permuted."""
    model = deepcopy(model)
    parameters: Mapping[str, nn.Parameter] = dict(model.named_parameters())
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for units in wiring(model):
            order = torch.randperm(units.number, generator=draw)
            for axis in units.axes:
                parameter = parameters[axis.parameter]
                parameter.copy_(parameter.index_select(axis.dim, _places(order, axis)))
    return model


def wiring(model: nn.Module) -> list[Units]:
    """Return all hidden units of one of the zoo's networks. Raises KeyError if its wiring is not known."""
    return WIRINGS[type(model)](model)


def _places(order: Tensor, axis: Axis) -> Tensor:
    inner = order[:, None] * axis.span + torch.arange(axis.span)
    copies = torch.arange(axis.copies)[:, None] * len(order) * axis.span
    return (copies + inner.flatten()).flatten()


def _rows(layer: str, copies: int = 1, span: int = 1) -> tuple[Axis, Axis]:
    return Axis(f"{layer}.weight", 0, copies, span), Axis(f"{layer}.bias", 0, copies, span)


def _perceptron(model: nn.Module) -> list[Units]:
    model = cast(mlp.ModuleMLP, model)
    layers = list(model.body.named_children())
    weighted = [i for i, (_, module) in enumerate(layers) if isinstance(module, nn.Linear)]
    found = []
    for place, following in pairwise([*weighted, len(layers)]):
        norms = [name for name, module in layers[place + 1 : following] if any(True for _ in module.parameters())]
        axes = [axis for name in (layers[place][0], *norms) for axis in _rows(f"body.{name}")]
        reader = "head.weight" if following == len(layers) else f"body.{layers[following][0]}.weight"
        number = cast(nn.Linear, layers[place][1]).out_features
        found.append(Units(number, (*axes, Axis(reader, 1))))
    return found


def _conv(model: nn.Module) -> list[Units]:
    names = [f"body.{2 * i}" for i in range(len(conv.CHANNELS) - 1)]
    readers = [*(Axis(f"{name}.weight", 1) for name in names[1:]), Axis("head.weight", 1, span=16)]
    return [
        Units(number, (*_rows(name), reader))
        for number, name, reader in zip(conv.CHANNELS[1:], names, readers, strict=True)
    ]


def _resnet(model: nn.Module) -> list[Units]:
    blocks = [f"blocks.{i}" for i in range(len(cast(conv.ResNet, model).blocks))]
    inner = [
        Units(
            conv.RESIDUAL_CHANNELS, (Axis(f"{b}.conv1.weight", 0), *_rows(f"{b}.norm1"), Axis(f"{b}.conv2.weight", 1))
        )
        for b in blocks
    ]
    trunk = [Axis("stem.weight", 0), *_rows("norm"), Axis("head.weight", 1)]
    for block in blocks:
        trunk += [Axis(f"{block}.conv1.weight", 1), Axis(f"{block}.conv2.weight", 0), *_rows(f"{block}.norm2")]
    return [Units(conv.RESIDUAL_CHANNELS, tuple(trunk)), *inner]


def _encoder(model: nn.Module) -> list[Units]:
    names = [f"layers.{i}" for i in range(len(cast(transformer.ModuleEncoder, model).layers))]
    outside = [*_rows("embed"), *_rows("norm"), Axis("head.weight", 1)]
    return _transformer(outside, names, "self_attn", "linear1", "linear2")


def _gpt(model: nn.Module) -> list[Units]:
    names = [f"blocks.{i}" for i in range(len(cast(gpt.ModuleGPT, model).blocks))]
    outside = [Axis("tokens.weight", 1), Axis("positions.weight", 1), *_rows("norm")]
    return _transformer(outside, names, "attention", "mlp.0", "mlp.2")


def _transformer(outside: list[Axis], blocks: Iterable[str], attention: str, wide: str, narrow: str) -> list[Units]:
    """Return the trunk's features, each block's heads and each block's hidden units."""
    size = transformer.WIDTH // transformer.HEADS
    trunk, inner = list(outside), []
    for block in blocks:
        packed, end = f"{block}.{attention}.in_proj", f"{block}.{attention}.out_proj"
        trunk += [Axis(f"{packed}_weight", 1), *_rows(end), *_rows(f"{block}.norm1"), *_rows(f"{block}.norm2")]
        trunk += [Axis(f"{block}.{wide}.weight", 1), *_rows(f"{block}.{narrow}")]
        heads = Axis(f"{packed}_weight", 0, 3, size), Axis(f"{packed}_bias", 0, 3, size)
        inner.append(Units(transformer.HEADS, (*heads, Axis(f"{end}.weight", 1, span=size))))
        hidden = (*_rows(f"{block}.{wide}"), Axis(f"{block}.{narrow}.weight", 1))
        inner.append(Units(4 * transformer.WIDTH, hidden))
    return [Units(transformer.WIDTH, tuple(trunk)), *inner]


def _lstm(model: nn.Module) -> list[Units]:
    found = []
    for layer, reader in ((0, "lstm.weight_ih_l1"), (1, "head.weight")):
        gates = [Axis(f"lstm.{kind}_l{layer}", 0, 4) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        found.append(Units(recurrent.HIDDEN, (*gates, Axis(f"lstm.weight_hh_l{layer}", 1), Axis(reader, 1))))
    return found


WIRINGS: dict[type[nn.Module], Callable[[nn.Module], list[Units]]] = {
    mlp.ModuleMLP: _perceptron,
    conv.ModuleConv: _conv,
    conv.ResNet: _resnet,
    transformer.ModuleEncoder: _encoder,
    gpt.ModuleGPT: _gpt,
    recurrent.ModuleLSTM: _lstm,
}
