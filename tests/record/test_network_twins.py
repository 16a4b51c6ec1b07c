"""The same network has the same flow if it is written, run or trained differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from inithealth.record.sandbox.eager_mode import whole_graph
from inithealth.record.sandbox.restore import undisturbed
from tests.record.networks import GPT, WORDS, Bottleneck, GPTBlock, Llama, LlamaBlock, ResNet, TimedBlock, UNet
from tests.record.reading import read
from tests.record.tables import Line, table

TOKENS, IMAGES = torch.randint(0, WORDS, (2, 6)), torch.randn(2, 3, 32, 32)
NETWORKS: dict[str, tuple[type[nn.Module], tuple[Tensor, ...]]] = {
    "GPT": (GPT, (TOKENS,)),
    "ResNet-50": (ResNet, (IMAGES,)),
    "Llama": (Llama, (TOKENS,)),
    "U-Net": (UNet, (IMAGES[:, :, :8, :8], torch.rand(2, 2))),
}
BLOCKS = (GPTBlock, Bottleneck, LlamaBlock, TimedBlock)


def compute(module: nn.Module, function: Callable[..., Any]) -> None:
    module.forward = function


def product(layer: nn.Linear, x: Tensor) -> Tensor:
    return x @ layer.weight.t() + layer.bias if layer.bias is not None else x @ layer.weight.t()


def convolution(layer: nn.Conv2d, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding)


def layer_norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias)


def batch_norm(layer: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, layer.weight, layer.bias, True)


def group_norm(layer: nn.GroupNorm, x: Tensor) -> Tensor:
    return F.group_norm(x, layer.num_groups, layer.weight, layer.bias)


FUNCTIONS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Linear: product,
    nn.Conv2d: convolution,
    nn.LayerNorm: layer_norm,
    nn.BatchNorm2d: batch_norm,
    nn.GroupNorm: group_norm,
}


def by_functions(model: nn.Module) -> None:
    """Replace layers by functions of their parameters."""
    for module in model.modules():
        if type(module) in FUNCTIONS:
            compute(module, partial(FUNCTIONS[type(module)], module))


def in_place(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True


def checkpointed(model: nn.Module, reentrant: bool) -> None:
    for module in model.modules():
        if isinstance(module, BLOCKS):
            compute(module, partial(checkpoint, module.forward, use_reentrant=reentrant))


def weight_normed(model: nn.Module) -> None:
    tied = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for module in list(model.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d)) and id(module.weight) not in tied:
            parametrizations.weight_norm(module)


def frozen(model: nn.Module) -> None:
    for parameter in list(model.parameters())[:-1]:
        parameter.requires_grad_(False)


Way = tuple[Callable[[nn.Module], Any], Callable[[], Any]]  # what is done to the model, and the context it runs in

WAYS: dict[str, Way] = {
    "by functions": (by_functions, nullcontext),
    "in place": (in_place, nullcontext),
    "checkpointed": (lambda model: checkpointed(model, reentrant=False), nullcontext),
    "checkpointed, reentrant": (lambda model: checkpointed(model, reentrant=True), nullcontext),
    "compiled": (lambda model: model.compile(backend="eager"), nullcontext),
    "weight normed": (weight_normed, nullcontext),
    "frozen": (frozen, nullcontext),
    "autocast": (lambda model: None, lambda: torch.autocast("cpu", dtype=torch.bfloat16)),
}


@contextmanager
def as_checked(model: nn.Module) -> Iterator[None]:
    with undisturbed(model), whole_graph(model, reveal_frozen=True):
        yield


def flow_table(name: str, way: Way) -> list[Line]:
    build, inputs = NETWORKS[name]
    model = build()
    change, context = way
    change(model)
    with as_checked(model), context():
        return table(read(model, *inputs).recorder.layers)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_a_rewritten_network_has_the_same_flow(name: str, way: str) -> None:
    plain = flow_table(name, (lambda model: None, nullcontext))
    assert sorted(flow_table(name, WAYS[way])) == sorted(plain)
