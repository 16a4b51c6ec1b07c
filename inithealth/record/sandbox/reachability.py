"""Layers that no gradient reaches: detached, or not used at all? A change of their weights tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from inithealth.record.layers.naming import Naming
from inithealth.record.sandbox.restore import undisturbed
from inithealth.record.saved.operands import Constant
from inithealth.recording import Layer, weighted

_MOST_GROUPS = 16  # forward passes that the question is worth


def unreached(layers: Sequence[Layer]) -> list[Layer]:
    """Trainable layers that the autograd graph of the loss does not contain."""
    return [layer for layer, weight in weighted(layers) if weight.trainable and not layer.reaches_loss]


def split_by_values(
    suspects: Sequence[Layer], naming: Naming, loss: float, forward: Callable[[], float]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits layers that no gradient reaches into those whose values reach the loss, and those that change nothing.

    All of them are changed, then all but one group (a part of the model), and the loss computed each time:
    only values that reach the loss change it. The model is put back at once.

    Args:
        loss: the loss with the weights as they are.
        forward: computes the loss again, under the same random state.
    """
    if not suspects:
        return (), ()
    # Never against the loss as it was but here: a model that counts its calls changes its loss by being run.
    changed = _shaken(suspects, naming, forward)
    if _same(changed, loss):
        return (), tuple(layer.name for layer in suspects)
    felt: list[str] = []
    for group in _groups(suspects):
        others = [layer for layer in suspects if layer not in group]
        if not _same(_shaken(others, naming, forward), changed):
            felt += [layer.name for layer in group]
    return tuple(felt), tuple(layer.name for layer in suspects if layer.name not in felt)


def _groups(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Layers by the shortest common part of the model that tells them apart into at most so many groups."""
    depth = max(layer.module.count(".") for layer in layers) + 1
    while True:
        groups: dict[str, list[Layer]] = {}
        for layer in layers:
            groups.setdefault(".".join(layer.module.split(".")[:depth]), []).append(layer)
        if len(groups) <= _MOST_GROUPS or depth == 1:
            return list(groups.values())[:_MOST_GROUPS]
        depth -= 1


@torch.no_grad()
def _shaken(group: Sequence[Layer], naming: Naming, forward: Callable[[], float]) -> float:
    """The loss with these layers' weights and biases changed, each always in the same way."""
    wanted = {p.name for layer in group for p in (layer.weight, layer.bias) if p is not None}
    with undisturbed(naming.modules[""]):
        for seed, (name, parameter) in enumerate(naming.parameters.items()):
            if name in wanted:
                generator = torch.Generator().manual_seed(seed)
                # Doubling alone would leave zeros and, behind a norm, the loss as they were.
                noise = torch.randn(parameter.shape, generator=generator).to(parameter.device, parameter.dtype)
                parameter.add_(noise * (parameter.abs().mean() + 0.1))
        return forward()


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


def detached_by_constants(
    called: Sequence[Layer],
    places: Mapping[str, int],
    constants: Iterable[Constant],
    inputs: Mapping[str, Tensor],
) -> tuple[str, ...]:
    """Called layers that no gradient reaches, if their values do: where nothing may be run again to find out.

    The evidence is an operation in the graph that reads a constant: the very output of such a layer,
    or a tensor of another shape than any input.

    Args:
        called: layers that were called in this step.
        places: address of each module's last output.
        constants: what operations of the graph read that takes no gradient.
        inputs: floating tensors of the batch by name.
    """
    suspects = unreached(called)
    addresses = {places.get(layer.module) for layer in suspects}
    shapes = {tuple(tensor.shape) for tensor in inputs.values()}
    for constant in constants if suspects else ():
        if constant.address in addresses or (shapes and constant.shape not in shapes):
            return tuple(layer.name for layer in suspects)
    return ()
