"""Buffers and frozen parameters that were never filled, and take part in the forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.record.layers.refill import refill
from inithealth.record.layers.source import sources
from inithealth.record.layers.wrapper_prefixes import owner, strip
from inithealth.record.sandbox.buffer_uses import acts_as_zero, looks_unwritten, uses
from inithealth.record.tensors import has_memory
from inithealth.recorded_graph import UnfilledBuffer


def unfilled(modules: Mapping[str, nn.Module], run: Callable[[], float], loss: float) -> tuple[UnfilledBuffer, ...]:
    """Return the buffers that were never filled, in the order of the modules.

    Args:
        modules: of the whole model, by name; "" is the model itself.
        run: a forward pass that returns the loss; called only if there is a buffer with suspicious values.
        loss: of the model as it is.
    """
    suspects = {name: tensor for name, tensor in _constants(modules) if acts_as_zero(tensor) or looks_unwritten(tensor)}
    found = uses(run, suspects) if suspects else {}
    # NaN may mark values that are not set yet, if they do not reach the loss.
    hidden = {name for name in found if bool(suspects[name].isnan().any()) and math.isfinite(loss)}
    names = {name: owner(name, dict(modules)) for name in found if name not in hidden}
    lines = sources(modules, names)
    return tuple(
        UnfilledBuffer(
            name=name,
            module=names[name],
            use=use,
            abs_max=float(suspects[name].abs().nan_to_num().max()),
            non_finite=int((~suspects[name].isfinite()).sum()),
            **_registration(modules, name),
            source=lines.get(name),
        )
        for name, use in found.items()
        if name in names
    )


def _constants(modules: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    """Yield buffers and frozen parameters with several elements, without those of torch's own modules."""
    for home, module in modules.items():
        if isinstance(module, torch.jit.ScriptModule) or type(module).__module__.startswith("torch.nn.modules"):
            continue
        frozen = {
            name: each for name, each in module._parameters.items() if each is not None and not each.requires_grad
        }
        for name, tensor in {**module._buffers, **frozen}.items():
            plain = type(tensor) in (Tensor, nn.Parameter) and tensor is not None and tensor.layout is torch.strided
            if (
                plain
                and tensor is not None
                and tensor.is_floating_point()
                and tensor.numel() > 1
                and has_memory(tensor)
            ):
                yield strip(f"{home}.{name}".lstrip(".")), tensor.detach()


def _registration(modules: Mapping[str, nn.Module], name: str) -> dict[str, Any]:
    """Return how a module registers a buffer, and the method that fills it."""
    home, _, last = name.rpartition(".")
    module = modules[home]
    return {
        "parameter": last in module._parameters,
        "persistent": last not in module._non_persistent_buffers_set,
        "refill": refill(module, last),
    }
