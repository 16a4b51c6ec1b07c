"""Measures the weights and gradients of pages in the backward pass, when they are in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node
from torch.utils._python_dispatch import _disable_current_modes

from inithealth.record.paged.pager import Pager
from inithealth.record.paged.pages import Page
from inithealth.record.paged.unformed import Dropped, Factors
from inithealth.record.recorder import Recorder
from inithealth.record.statistics.gradients import gradient_norms, repeated_gradients


class DuringBackward:
    """Runs measurements of one recorder in a backward pass.

    Attributes:
        norms: of the gradients of pages, by parameter.
        repeats: share of units whose gradient repeats another unit's, by layer.

    Args:
        recorder: of a model whose parameters are pages.
    """

    def __init__(self, pager: Pager, recorder: Recorder) -> None:
        self._pager, self._recorder = pager, recorder
        self.norms: dict[str, float] = {}
        self.repeats: dict[str, float] = {}
        self._paged = {
            name: parameter for name, parameter in recorder.naming.parameters.items() if pager.of(parameter) is not None
        }
        recorder.observer.when_in_memory = self._when_in_memory
        recorder.hooks.writes.leave_out(self._paged)
        pager.before_write = self._remember
        self._layers = recorder.inventory.of_parameter
        self._due: dict[int, Callable[[], None]] = {}
        self._count = 0
        self._handles: list[Any] = []  # of the nodes
        self._dropped: Dropped | None = None

    def __enter__(self) -> None:
        """Measure the gradients of pages in the next backward pass, and drop them."""
        self._dropped = Dropped(self._pager.unformed, self._paged, self._measure)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Remove the hooks; measure what the backward pass did not reach."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if self._dropped is not None:
            self._dropped.remove()
        if kind is None:
            for number in list(self._due):
                self._run(number)
        self._due.clear()
        if self._recorder.observer.flow is not None:
            self._recorder.observer.flow.graph.release()

    def formed(self, gradients: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
        """Return the gradients that were not dropped."""
        return {name: gradient for name, gradient in gradients.items() if name not in self.norms}

    def _remember(self, page: Page) -> None:
        """Keep a sample of the parameters of a page that the model is going to write to."""
        for name, parameter in self._paged.items():
            if self._pager.of(parameter) is page:
                self._recorder.hooks.writes.remember_before(name)

    def _when_in_memory(self, node: Node, parameters: Collection[str], call: Callable[[], None]) -> None:
        """Call a function right before the backward pass of a node that reads the same parameters, or at the end."""
        number = self._count = self._count + 1
        paged = [self._paged[name] for name in parameters if name in self._paged]
        self._due[number] = partial(self._in_memory, paged, call)
        self._handles.append(node.register_prehook(lambda gradients: self._run(number)))

    def _in_memory(self, parameters: Sequence[Tensor], call: Callable[[], None]) -> None:
        """Call a function outside the pager, whose cost for each operation adds up over thousands of them."""
        self._pager.load(parameters)
        with _disable_current_modes():
            call()

    def _run(self, number: int) -> None:
        call = self._due.pop(number, None)
        if call is not None:
            call()

    def _measure(self, name: str, gradient: Tensor | Factors) -> None:
        layers = self._layers(name)
        if isinstance(gradient, Factors) and gradient.is_large:
            self.norms[name] = gradient.norm()
            self.repeats |= gradient.repeated(layers)
            return
        formed = self._pager.formed(gradient)
        with _disable_current_modes():
            self.norms |= gradient_norms({name: formed})
            self.repeats |= repeated_gradients(layers, {name: formed})
