"""The same network written, run or trained otherwise has the same flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from inithealth.record.eager import whole_graph
from inithealth.record.restore import undisturbed
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


def by_functions(model: nn.Module) -> None:
    """Every layer computed by functions of its parameters."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.forward = lambda x, m=module: x @ m.weight.t() + m.bias if m.bias is not None else x @ m.weight.t()
        elif isinstance(module, nn.Conv2d):
            options = module.stride, module.padding
            module.forward = lambda x, m=module, o=options: F.conv2d(x, m.weight, m.bias, *o)
        elif isinstance(module, nn.LayerNorm):
            module.forward = lambda x, m=module: F.layer_norm(x, m.normalized_shape, m.weight, m.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.forward = lambda x, m=module: F.batch_norm(x, None, None, m.weight, m.bias, True)
        elif isinstance(module, nn.GroupNorm):
            module.forward = lambda x, m=module: F.group_norm(x, m.num_groups, m.weight, m.bias)


def in_place(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True


def checkpointed(model: nn.Module, reentrant: bool) -> None:
    for module in model.modules():
        if isinstance(module, BLOCKS):
            module.forward = lambda *args, f=module.forward: checkpoint(f, *args, use_reentrant=reentrant)  # type: ignore[method-assign]


def weight_normed(model: nn.Module) -> None:
    tied = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for module in list(model.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d)) and id(module.weight) not in tied:
            parametrizations.weight_norm(module)


def frozen(model: nn.Module) -> None:
    for parameter in list(model.parameters())[:-1]:
        parameter.requires_grad_(False)


Way = tuple[Callable[[nn.Module], Any], Callable[[], Any]]  # what is done to the model, and what it runs within

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
def test_a_twin_has_the_same_flow(name: str, way: str) -> None:
    plain = flow_table(name, (lambda model: None, nullcontext))
    assert sorted(flow_table(name, WAYS[way])) == sorted(plain)
