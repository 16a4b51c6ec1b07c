"""Outputs inside compiled code: hooks that are compiled in with it, of tensor operations alone.

Such a hook must be there before the module's first call, and taking it away compiles the module once more: it
stays until the watching ends. What Python could do in it would break the compiled graph: what it keeps is read
between steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.record.live.picklable_hook import LeftBehind
from inithealth.record.live.readings import Readings
from inithealth.record.statistics.sample import Sample
from inithealth.record.tensors import is_sharded

_MOST_KEPT = 2048  # elements of each output: an rms is known to +-2 %
_GOLDEN = 0.618033988749895


class CompiledTap(LeftBehind):
    """A forward hook that copies a sample of the output, and its number of elements, to a place of its own."""

    def __init__(self, parameter: Tensor, most: int) -> None:
        dtype = torch.float64 if parameter.dtype == torch.float64 else torch.float32
        self.numel = torch.zeros((), dtype=torch.int64, device=parameter.device)  # 0: not called in this step
        self.values = torch.zeros(most, dtype=dtype, device=parameter.device)
        # One place in each of so many stretches of equal length, not in step with the features.
        places = torch.arange(most, dtype=torch.float64)
        self.places = ((places + (places * _GOLDEN) % 1) / most).to(parameter.device)
        for kept in (self.numel, self.values):  # else no CUDA graph is recorded of code that writes to it
            torch._dynamo.mark_static_address(kept, guard=False)

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        tensor = output[0] if isinstance(output, (tuple, list)) and len(output) else output
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or tensor.layout is not torch.strided:
            return
        flat = tensor.detach().reshape(-1)
        numel = flat.numel()
        self.numel.fill_(numel)
        if numel > self.values.numel():
            self.values.copy_(flat[(self.places * numel).long()])
        else:
            self.values[:numel].copy_(flat)


class CompiledTaps:
    """The taps of one model's compiled modules.

    Args:
        modules: that own parameters, by name.
        most: elements of one sample.
    """

    def __init__(self, modules: Iterable[tuple[str, nn.Module]], most: int) -> None:
        self._modules, self._most = tuple(modules), min(most, _MOST_KEPT)
        self._taps: dict[str, CompiledTap] = {}
        self._handles: list[Any] = []
        self.shown: set[str] = set()  # modules whose output was ever measured

    def attach(self) -> None:
        """Before the first call; does nothing where they are there already."""
        if self._handles:
            return
        for name, module in self._modules:
            parameter = next((p for p in module.parameters(recurse=False) if not is_sharded(p)), None)
            if parameter is not None:
                tap = self._taps[name] = CompiledTap(parameter, self._most)
                self._handles.append(module.register_forward_hook(tap))

    def detach(self) -> None:
        """Take them away for good: each module is compiled once more when it runs again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._taps.clear()
        self._modules = ()

    def forget(self) -> None:
        """What was kept is no part of the step that starts."""
        if self._taps:
            torch._foreach_zero_([tap.numel for tap in self._taps.values()])

    def called(self) -> dict[str, int]:
        """Elements of the last output of each module that was called in this step. One transfer to the host."""
        if not self._taps:
            return {}
        device = next(iter(self._taps.values())).numel.device
        counts = torch.stack([tap.numel.to(device) for tap in self._taps.values()]).tolist()
        return {name: count for name, count in zip(self._taps, counts, strict=True) if count}

    def read(self, readings: Readings) -> None:
        """Hand on what was kept in this step."""
        called = self.called()
        self.shown |= called.keys()
        for name, numel in called.items():
            readings.keep("output", ("module", name), Sample(self._taps[name].values[:numel], numel))
