"""Module hooks that measure inputs, outputs and their gradients. They return None; a guard records their errors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_legacy_batchedtensor

from inithealth.record.failures import Failures
from inithealth.record.layers.naming import Naming, module_kind
from inithealth.record.live.forward_writes import ForwardWrites
from inithealth.record.live.guarded import Guard
from inithealth.record.live.layer_subset import layer_subset
from inithealth.record.live.picklable_hook import Hook
from inithealth.record.live.readings import Place, Readings
from inithealth.record.live.step_buffer import StepBuffer
from inithealth.record.statistics.directions import effective
from inithealth.record.tensors import floating_tensors, is_sharded


class ModuleHooks:
    """The hooks of one model.

    Args:
        exact: also measure inputs.
        compiled: names of modules without these hooks, whose Python code would break the compiled graph.
        names: of the parameters by ``id``; the parameters that a sharded module computes with are added.
    """

    def __init__(
        self,
        naming: Naming,
        failures: Failures,
        buffer: StepBuffer,
        *,
        exact: bool,
        compiled: Collection[str],
        names: dict[int, str],
    ) -> None:
        self.naming, self.failures, self.exact, self.compiled = naming, failures, exact, compiled
        self.guard, self.names = Guard(failures), names
        self.buffer = buffer
        self.paused = False  # during forward passes that are not part of the training
        self.writes = ForwardWrites(naming.parameters, exact=exact)
        self._modules = list(self._watched())
        self._handles: list[Any] = []

    def _watched(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield every module that owns parameters and supports hooks."""
        for name, module in self.naming.modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                if module._parameters:
                    self.failures[name or "model"] = "scripted modules do not support hooks"
            elif name in self.compiled or ".parametrizations." in f".{name}.":
                continue  # the latter compute weights and are not layers
            elif module._parameters or hasattr(module, "parametrizations"):
                yield name, module

    def attach(self) -> None:
        """Attach the hooks unless they are attached: to all modules at first, later to some if there are many."""
        if self.buffer.first:
            self.failures.guard("parameters before the forward pass", self.writes.remember)
        if self._handles:
            return
        for name, module in self._modules if self.buffer.first else layer_subset(self._modules):
            self._handles.append(module.register_forward_hook(Hook(self.guard, self._hook(name), name)))
            if any(is_sharded(each) for each in module._parameters.values() if each is not None):
                self._handles.append(module.register_forward_pre_hook(Hook(self.guard, self._naming_hook(name), name)))

    @property
    def left_out(self) -> int:
        """Number of modules that are measured in the first step only."""
        return len(self._modules) - len(layer_subset(self._modules))

    def detach(self) -> None:
        """Remove all hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _naming_hook(self, name: str) -> Callable[[nn.Module, Any], None]:
        """Return a hook that adds the names of the tensors that replace a sharded module's parameters while it runs."""

        def hook(module: nn.Module, args: Any) -> None:
            for own, parameter in module._parameters.items():
                if parameter is not None:
                    self.names.setdefault(id(parameter), f"{name}.{own}".lstrip("."))

        return hook

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            # During a backward pass, this is a checkpoint's recomputation.
            if not self.paused and torch._C._current_graph_task_id() == -1:
                self._record(name, module, args, output)

        return hook

    def _record(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        buffer = self.buffer
        buffer.called[name] = None
        place: Place = ("module", name)
        # The usual case first, for speed: nearly every module returns a plain tensor.
        plain = type(output) is Tensor and output.is_floating_point()
        tensors = [output] if plain else list(floating_tensors(output))
        filled = next((tensor for tensor in tensors if tensor.numel()), None)
        if filled is None:
            self.failures.setdefault(name, f"its output has {'only empty' if tensors else 'no'} floating-point tensors")
        else:
            buffer.readings.take("output", place, filled)
            if buffer.first and filled.layout is torch.strided:
                self._measure_once(name, module, filled)
        for tensor in list(floating_tensors(args))[:1] if self.exact or buffer.first else ():
            buffer.readings.take("input", place, tensor)
            if buffer.first:
                self.writes.note_input(name, module, tensor)
        for tensor in tensors:
            if tensor.requires_grad:
                tensor.register_hook(gradient_hook(buffer.readings, place, self.guard))
                if buffer.graph_wanted and tensor.grad_fn is not None:
                    buffer.produced[tensor.grad_fn] = name

    def _measure_once(self, name: str, module: nn.Module, output: Tensor) -> None:
        """Measure what is needed once: the effective rank of the output, and its address."""
        self.buffer.output_places[name] = output.data_ptr(), tuple(output.shape)
        if name not in self.buffer.output_rank:
            found = effective(output, 1 if module_kind(module) == "conv" and output.ndim > 2 else -1)
            self.buffer.output_rank[name] = {} if found is None else {"effective": found[0], "width": found[1]}


def gradient_hook(readings: Readings, place: Place, guard: Guard) -> Callable[[Tensor], None]:
    """Return a tensor hook that measures the gradient, for one step."""
    take, run = readings.take, guard.run

    def hook(gradient: Tensor) -> None:
        # A gradient of several backward passes at once has no values that could be read.
        if not torch.compiler.is_compiling() and not is_legacy_batchedtensor(gradient):
            run(take, ("gradient", place, gradient), what=place[1])

    return hook


def node_hook(readings: Readings, layer: str, guard: Guard) -> Callable[[tuple[Tensor | None, ...]], None]:
    """Return the same as a prehook of a graph node, for a layer without a module hook."""
    place: Place = ("layer", layer)
    take, run = readings.take, guard.run

    def prehook(gradients: tuple[Tensor | None, ...]) -> None:
        (gradient, *_) = gradients
        if gradient is not None and not torch.compiler.is_compiling() and not is_legacy_batchedtensor(gradient):
            run(take, ("gradient", place, gradient), what=layer)

    return prehook
