"""What an optimizer step makes of the weights: a sample of each before it, the same elements after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer

from inithealth.record.sample import Sample, batched, sample
from inithealth.record.tensors import own_part
from inithealth.recording import Layer, Update

_MOST = 128  # elements of one weight: the rms of what changes is known to 6 %


@dataclass(frozen=True)
class _Before:
    layer: str
    parameter: nn.Parameter
    sample: Sample
    rate: float | None


class Updates:
    """The weights of one model around one optimizer step.

    Args:
        optimizers: whose learning rates are told; none where they are not known.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], optimizers: Sequence[Optimizer]) -> None:
        self._parameters, self._optimizers = parameters, optimizers
        self._before: list[_Before] = []

    def before(self, layers: Iterable[Layer]) -> None:
        """Call it right before the optimizer's step."""
        rates = {id(p): float(g["lr"]) for o in self._optimizers for g in o.param_groups for p in g["params"]}
        self._before = []
        for layer in layers:
            if layer.weight is None or not layer.weight.trainable:
                continue
            parameter = self._parameters[layer.weight.name]
            taken = sample(own_part(parameter.detach()), _MOST)
            if taken is not None:
                self._before.append(_Before(layer.name, parameter, taken, rates.get(id(parameter))))

    def after(self) -> dict[str, Update]:
        """By layer, what the step has changed; call it before the next one. Empty where none was awaited."""
        waiting, self._before = self._before, []
        now = [
            (each, taken) for each in waiting if (taken := sample(own_part(each.parameter.detach()), _MOST)) is not None
        ]
        kept = [(each, taken) for each, taken in now if taken.values.shape == each.sample.values.shape]
        changes = [Sample(taken.values - each.sample.values, taken.numel) for each, taken in kept]
        signals = iter(batched([*changes, *(each.sample for each, _ in kept)]))
        changed = [next(signals) for _ in kept]
        return {
            each.layer: Update(weight=weight.rms, change=change.rms, unmoved=change.zero_share, rate=each.rate)
            for (each, _), change, weight in zip(kept, changed, signals, strict=True)
        }


def left_out(
    trainable: Iterable[str], parameters: Mapping[str, nn.Parameter], optimizers: Sequence[Optimizer]
) -> set[str]:
    """Trainable parameters that no optimizer holds; empty where no optimizer is known."""
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return {name for name in trainable if held and id(parameters[name]) not in held}
