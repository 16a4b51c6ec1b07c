"""A network, its batch and loss, and the expected verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from inithealth import Severity

MODULES = "modules"


@runtime_checkable
class Reordered(Protocol):
    """A version of a network with another parameter order than the one written with modules."""

    def parameter_order(self) -> list[str]: ...


@dataclass(frozen=True)
class Case:
    """One network and its verdict.

    ``model`` is written with modules. Each entry of ``twins`` builds the same network written differently;
    :func:`rewritten` copies the weights to it, so its verdict must be the same.
    """

    name: str
    model: nn.Module
    batch: Any
    loss: Callable[[Any], Tensor]
    root_cause_layer: tuple[str, ...] | None = None  # layers that may be the root cause; None: healthy
    codes: tuple[str, ...] = ()  # correct codes of the cause
    severity: Severity | None = None  # of the cause; None: healthy
    twins: Mapping[str, Callable[[], nn.Module]] = field(default_factory=dict)

    @property
    def ways(self) -> tuple[str, ...]:
        return (MODULES, *self.twins)


def rewritten(case: Case, way: str) -> nn.Module:
    """Return the model in that way of writing, with the weights and frozen flags of the original."""
    if way == MODULES:
        return case.model
    twin = case.twins[way]()
    sources = dict(case.model.named_parameters())
    targets = dict(twin.named_parameters())
    with torch.no_grad():
        for source, target in zip(parameter_names(case.model), parameter_names(twin), strict=True):
            original = sources[source].detach()
            transposed = getattr(twin, "transposed", False) and original.dim() == 2
            targets[target].copy_(original.t() if transposed else original)
            targets[target].requires_grad_(sources[source].requires_grad)
    return twin.train(case.model.training)


def parameter_names(model: nn.Module) -> list[str]:
    """Return the parameter names in the order of the network written with modules."""
    if isinstance(model, Reordered):
        return model.parameter_order()
    return [name for name, _ in model.named_parameters()]


def original_layers(case: Case, model: nn.Module, layer: str) -> frozenset[str]:
    """Return the modules of ``case.model`` that have the weights of ``layer`` in ``model``, a rewritten version."""
    pairs = list(zip(parameter_names(case.model), parameter_names(model), strict=True))
    owners = {source.rpartition(".")[0] for source, name in pairs if layer in (name, name.rpartition(".")[0])}
    return frozenset(owners or {layer})
