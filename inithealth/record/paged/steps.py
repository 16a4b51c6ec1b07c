"""Steps of SGD on parameters that are made again from their recipes: each step is applied to the new values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from torch import Tensor, nn

from inithealth.record.paged.pager import Pager
from inithealth.record.paged.unformed import Dropped, Factors
from inithealth.record.statistics.gradients import gradient_norms


class TooLarge(Exception):
    """The gradients of a step do not fit into the memory."""


class KeptGradients:
    """Keeps the gradients of one backward pass: of large weights as factors, where they have any.

    Attributes:
        norms: by parameter.

    Args:
        limit: bytes that all of them may use.
    """

    def __init__(self, pager: Pager, parameters: Mapping[str, nn.Parameter], limit: int) -> None:
        self._pager, self._limit, self._bytes = pager, limit, 0
        self._parameters = {name: each for name, each in parameters.items() if pager.of(each) is not None}
        self._kept: dict[str, Tensor | Factors] = {}
        self._dropped: Dropped | None = None
        self.norms: dict[str, float] = {}

    def __enter__(self) -> KeptGradients:
        self._dropped = Dropped(self._pager.unformed, self._parameters, self._keep)
        return self

    def __exit__(self, *error: object) -> None:
        if self._dropped is not None:
            self._dropped.remove()

    def apply(self, names: Collection[str], rate: float) -> None:
        """Take a step of SGD with the gradients of those parameters that are pages."""
        for name, gradient in self._kept.items():
            page = self._pager.of(self._parameters[name]) if name in names else None
            if page is not None:
                self._pager.update(page, partial(_step, self._parameters[name].detach(), gradient, rate))

    def _keep(self, name: str, gradient: Tensor | Factors) -> None:
        if isinstance(gradient, Factors) and gradient.is_large:
            self.norms[name] = gradient.norm()
        else:
            self.norms |= gradient_norms({name: self._pager.formed(gradient)})
        self._kept[name] = gradient
        self._bytes += gradient.kept_bytes if isinstance(gradient, Factors) else gradient.nbytes
        if self._bytes > self._limit:
            raise TooLarge(f"the gradients of a step need more than {self._limit / 1e9:.2g} GB")


def _step(parameter: Tensor, gradient: Tensor | Factors, rate: float) -> None:
    parameter.add_(gradient.formed() if isinstance(gradient, Factors) else gradient, alpha=-rate)
