"""Hooks that measure outputs inside compiled code. They are compiled with it and use tensor operations only.

Such a hook must be attached before the module's first call. Removing it recompiles the module, so it stays until the
end of the watched steps. Python code in it would break the compiled graph, so its values are read between steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.record.live import tracing
from inithealth.record.live.picklable_hook import NotCopied
from inithealth.record.live.readings import Readings
from inithealth.record.statistics.sample import Sample
from inithealth.record.tensors import is_sharded

_MOST_KEPT = 2048  # elements of each output: the standard error of an rms is 2 %
_GOLDEN = 0.618033988749895


class CompiledTap(NotCopied):
    """A forward hook that copies a sample of the output, and its number of elements, to its own tensors."""

    def __init__(self, parameter: Tensor, most: int) -> None:
        dtype = torch.float64 if parameter.dtype == torch.float64 else torch.float32
        self.numel = torch.zeros((), dtype=torch.int64, device=parameter.device)  # 0: not called in this step
        self.values = torch.zeros(most, dtype=dtype, device=parameter.device)
        # One position in each of ``most`` intervals of equal length, not aligned with the features.
        places = torch.arange(most, dtype=torch.float64)
        self.places = ((places + (places * _GOLDEN) % 1) / most).to(parameter.device)
        for kept in (self.numel, self.values):  # needed for CUDA graphs of code that writes to them
            torch._dynamo.mark_static_address(kept, guard=False)

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        # An exported program must not contain these operations. The compiler takes both functions for constants.
        if torch.compiler.is_exporting() or (not torch.compiler.is_compiling() and tracing.is_traced()):
            return
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
    """The hooks of one model's compiled modules.

    Args:
        modules: that own parameters, by name.
        most: elements of one sample.
    """

    def __init__(self, modules: Iterable[tuple[str, nn.Module]], most: int) -> None:
        self._modules, self._most = tuple(modules), min(most, _MOST_KEPT)
        self._taps: dict[str, CompiledTap] = {}
        self._handles: list[Any] = []
        self.shown: set[str] = set()  # modules whose output was measured in some step

    def attach(self) -> None:
        """Attach the hooks, before the first call, unless they are attached already."""
        if self._handles:
            return
        for name, module in self._modules:
            parameter = next((p for p in module.parameters(recurse=False) if not is_sharded(p)), None)
            if parameter is not None:
                tap = self._taps[name] = CompiledTap(parameter, self._most)
                self._handles.append(module.register_forward_hook(tap))

    def detach(self) -> None:
        """Remove the hooks permanently: each module is recompiled at its next call."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._taps.clear()
        self._modules = ()

    def forget(self) -> None:
        """Discard the values of the last step."""
        if self._taps:
            torch._foreach_zero_([tap.numel for tap in self._taps.values()])

    def called(self) -> dict[str, int]:
        """Return the size of the last output of each module called in this step, with one transfer to the host."""
        if not self._taps:
            return {}
        device = next(iter(self._taps.values())).numel.device
        counts = torch.stack([tap.numel.to(device) for tap in self._taps.values()]).tolist()
        return {name: count for name, count in zip(self._taps, counts, strict=True) if count}

    def read(self, readings: Readings) -> None:
        """Pass the samples of this step to the readings."""
        called = self.called()
        self.shown |= called.keys()
        for name, numel in called.items():
            readings.keep("output", ("module", name), Sample(self._taps[name].values[:numel], numel))
