"""How large an optimizer's step is, as long as no gradient is so small that the epsilon outweighs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

_LEAST_RMS = 1e-3  # of a weight, in torch's Adafactor and in LAMB's descendants: steps do not vanish with the weight


@dataclass(frozen=True)
class StepLaw:
    """The usual rms of a step's change, relative to the learning rate.

    Attributes:
        share: of the learning rate.
        of_weight: whether it is also relative to the rms of the weight.
    """

    share: float = 1.0
    of_weight: bool = False

    def usual(self, rate: float, weight: float) -> float:
        """Return the usual rms of a change at a learning rate, of a weight with this rms."""
        return rate * self.share * (max(weight, _LEAST_RMS) if self.of_weight else 1.0)


Law = Callable[[Optimizer, nn.Parameter], StepLaw]


def _rate(_optimizer: Optimizer, _parameter: nn.Parameter) -> StepLaw:
    return StepLaw()


def _rate_of_weight(_optimizer: Optimizer, _parameter: nn.Parameter) -> StepLaw:
    return StepLaw(of_weight=True)


def _falling_rate(optimizer: Optimizer, parameter: nn.Parameter) -> StepLaw:
    """Adagrad divides by the root of the sum of all squared gradients."""
    taken = optimizer.state[parameter].get("step", 0.0) if parameter in optimizer.state else 0.0
    return StepLaw(share=1.0 / (1.0 + float(taken)) ** 0.5)


def _orthogonal(_optimizer: Optimizer, parameter: nn.Parameter) -> StepLaw:
    """The elements of an orthogonal matrix have rms 1 / sqrt(its larger side)."""
    return StepLaw(share=max([*parameter.shape, 1]) ** -0.5)


_ADAM = """Adam AdamW NAdam RAdam Adamax SparseAdam RMSprop RMSpropTF AdaBelief AdamP AdamWScheduleFree FusedAdam
    DeepSpeedCPUAdam CPUAdam Adam8bit AdamW8bit PagedAdam PagedAdamW PagedAdamW8bit SOAP StableAdamW"""
# Others have no law: the size of a step depends on the gradient (SGD, momentum, LBFGS) or on earlier steps (Adadelta,
# Prodigy), or no gradient is too small (Lion and other signs, Sophia's clipping).
_LAWS: Mapping[str, Law] = {
    **dict.fromkeys(_ADAM.split(), _rate),
    **dict.fromkeys("Adafactor Lamb LAMB FusedLAMB NVLAMB Lars LARS".split(), _rate_of_weight),
    "Adagrad": _falling_rate,
    "Muon": _orthogonal,
}
_NO_LAW = frozenset("SGD ASGD LBFGS Rprop Adadelta Lion Signum SignSGD Sophia SophiaG SGDScheduleFree".split())


def step_law(optimizer: Optimizer, parameter: nn.Parameter) -> StepLaw | None:
    """Return the law of an optimizer's steps; None if the size of its steps says nothing of the gradients."""
    law = next((_LAWS[name] for name in _names(optimizer) if name in _LAWS), None)
    return None if law is None else law(optimizer, parameter)


def unknown_laws(optimizers: Iterable[Optimizer]) -> list[str]:
    """Return the names of optimizers whose law is not known."""
    known = _LAWS.keys() | _NO_LAW
    return [type(_bare(each)).__name__ for each in optimizers if known.isdisjoint(_names(each))]


def _names(optimizer: Optimizer) -> list[str]:
    """Return the names of its class and of the classes that it inherits from."""
    return [each.__name__ for each in type(_bare(optimizer)).__mro__]


def _bare(optimizer: Any) -> Any:
    """Return the optimizer inside a wrapper, as Lightning's and Accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)
