"""Reads a small model once: its layers, its flow and its measurements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.call import Call
from inithealth.record.graph.flow import Flow, flow_of
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation
from inithealth.record.graph.order import order
from inithealth.record.layers.wrapper_prefixes import parameter_names
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.batches import named_tensors, revealed
from inithealth.record.statistics.gradients import gradient_norms
from inithealth.record.tensors import floating_tensors
from inithealth.recording import Layer, Measurement, Recording, Step
from inithealth.sessions.assembly import Assembly, Training


class Written(nn.Module):
    """A model with named parts and a forward function; a part that is a plain tensor is a buffer."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.way = forward
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *args: Any) -> Any:
        return self.way(self, *args)


@dataclass(frozen=True)
class Reading:
    recorder: Recorder
    step: Step

    @property
    def layers(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.recorder.layers}

    @property
    def measured(self) -> dict[str, Measurement]:
        return {measurement.layer: measurement for measurement in self.step.layers}

    @property
    def recording(self) -> Recording:
        """Return the recording as a session assembles it."""
        return Assembly(self.recorder).recording((self.step,), Training(optimizer="SGD(lr=0.01)", adaptive=False))

    @property
    def flow(self) -> Flow | None:
        """Return the flow that the recorder has read."""
        return self.recorder.observer.flow


def squares(output: Any) -> Tensor:
    """Return a loss for any output: the sum of all squares."""
    parts = [torch.view_as_real(t) if t.is_complex() else t for t in floating_tensors(output)]
    return torch.stack([(part.float() ** 2).sum() for part in parts]).sum()


def read(
    model: nn.Module,
    *args: Any,
    loss: Callable[[Any], Tensor] = squares,
    exact: bool = True,
    recorder: Recorder | None = None,
) -> Reading:
    """Record one forward and backward pass; an exact one has the inputs in the graph, as in a check."""
    recorder = recorder or Recorder(model, exact=exact)
    call, inputs = revealed(Call(*args)) if exact else (Call(*args), dict(named_tensors(Call(*args))))
    recorder.attach()
    value = loss(model(*call.args))
    recorder.observe([value], inputs)
    model.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    recorder.detach()
    gradients = {name: parameter.grad for name, parameter in recorder.naming.parameters.items()}
    return Reading(recorder, recorder.step(0, float(value.detach()), gradients, gradient_norms(gradients)))


def graph_of(model: nn.Module, *roots: Tensor) -> Graph:
    """Return the graph of some tensors, and keep its nodes alive."""
    return Graph(order([root.grad_fn for root in roots if root.grad_fn is not None]), parameter_names(model))


def flow_behind(model: nn.Module, *roots: Tensor) -> Flow:
    return flow_of(graph_of(model, *roots))


def operation_of(flow: Flow, weight: str) -> Operation:
    """Return the only operation of a weight."""
    (found,) = [operation for operation in flow.operations.values() if weight in operation.weights]
    return found
