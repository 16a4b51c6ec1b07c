"""Separates layers without gradient into detached and unused ones, by changing their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from inithealth.record.layers.naming import Naming
from inithealth.record.sandbox.restore import restored
from inithealth.record.saved.operands import Constant
from inithealth.recording import Layer, weighted

_MOST_GROUPS = 16  # limit of additional forward passes


def unreached(layers: Sequence[Layer]) -> list[Layer]:
    """Return the trainable layers that are not in the autograd graph of the loss."""
    return [layer for layer, weight in weighted(layers) if weight.trainable and not layer.reaches_loss]


def split_by_values(
    suspects: Sequence[Layer], naming: Naming, loss: float, forward: Callable[[], float]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the layers, of those without gradient, whose values affect the loss, and those that do not.

    The weights of all of them are changed, then of all except one group, and the loss is computed each time:
    it changes only if the values reach it. The model is restored after each forward pass, random state is not.

    Args:
        loss: the loss with the unchanged weights.
        forward: computes the loss again, with the same random state.
    """
    if not suspects:
        return (), ()
    # Only here the comparison is with the original loss: a model that counts its calls changes its loss in each run.
    changed = _perturbed(suspects, naming, forward)
    if _same(changed, loss):
        return (), tuple(layer.name for layer in suspects)
    affecting: list[str] = []
    for group in _groups(suspects):
        others = [layer for layer in suspects if layer not in group]
        if not _same(_perturbed(others, naming, forward), changed):
            affecting += [layer.name for layer in group]
    return tuple(affecting), tuple(layer.name for layer in suspects if layer.name not in affecting)


def _groups(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Return the layers in groups of the same parent module, as deep as the limit of groups allows."""
    depth = max(layer.module.count(".") for layer in layers) + 1
    while True:
        groups: dict[str, list[Layer]] = {}
        for layer in layers:
            groups.setdefault(".".join(layer.module.split(".")[:depth]), []).append(layer)
        if len(groups) <= _MOST_GROUPS or depth == 1:
            return list(groups.values())[:_MOST_GROUPS]
        depth -= 1


@torch.no_grad()
def _perturbed(group: Sequence[Layer], naming: Naming, forward: Callable[[], float]) -> float:
    """Return the loss with the weights and biases of these layers changed. The changes are deterministic."""
    names = {p.name for layer in group for p in (layer.weight, layer.bias) if p is not None}
    with restored({"model": naming.modules[""]}):
        for seed, (name, parameter) in enumerate(naming.parameters.items()):
            if name in names:
                generator = torch.Generator().manual_seed(seed)
                # Scaling would not change zeros, nor the loss if a norm follows.
                noise = torch.randn(parameter.shape, generator=generator, device="cpu")
                parameter.add_(noise.to(parameter.device, parameter.dtype) * (parameter.abs().mean() + 0.1))
        return forward()


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


def detached_by_constants(
    called: Sequence[Layer],
    places: Mapping[str, tuple[int, tuple[int, ...]]],
    constants: Iterable[Constant],
    inputs: Mapping[str, Tensor],
) -> tuple[str, ...]:
    """Return the called layers without gradient whose values affect the loss, without running the model again.

    The evidence is an operation in the graph with a constant operand: the output of such a layer, or a tensor
    with the shape of such an output and a different shape than all inputs. Other constants are computed from
    the inputs, or drawn: a layer without gradient may be unused.

    Args:
        called: layers that were called in this step.
        places: address and shape of each module's last output, except in compiled code.
        constants: operands in the graph without gradient.
        inputs: floating-point tensors of the batch by name.
    """
    suspects = unreached(called)
    outputs = [places[layer.module] for layer in suspects if layer.module in places]
    addresses, own = {address for address, _ in outputs}, {shape for _, shape in outputs}
    shapes = {tuple(tensor.shape) for tensor in inputs.values()}
    for constant in constants if suspects else ():
        fits = bool(shapes) and constant.shape not in shapes and (not own or constant.shape in own)
        if constant.address in addresses or fits:
            return tuple(layer.name for layer in suspects)
    return ()
