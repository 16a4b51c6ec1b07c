"""What an optimizer step makes of the weights: a sample of each before it, the same elements after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.record.live.layer_subset import layer_subset
from inithealth.record.statistics.sample import Sample, sample
from inithealth.record.tensors import own_part
from inithealth.recording import Layer, Update, weighted

_MOST = 32  # elements of one weight, each of which may lie where no cache has it: an rms is known to 12 %


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

    def before(self, layers: Iterable[Layer], steps: Optimizer | None = None) -> None:
        """Call it right before an optimizer's step.

        Args:
            steps: the one that does: the others leave their weights as they are by right. Where there are several
                and it is not known, nothing is measured.
        """
        self._before = []
        if steps is None and len(self._optimizers) > 1:
            return
        known = self._optimizers if steps is None else [getattr(steps, "optimizer", steps)]
        rates = {id(p): float(g["lr"]) for o in known for g in o.param_groups for p in g["params"]}
        trained = [(layer.name, weight.name) for layer, weight in weighted(layers) if weight.trainable]
        for layer, name in layer_subset(trained):
            parameter = self._parameters[name]
            if steps is not None and id(parameter) not in rates:
                continue
            taken = sample(own_part(parameter.detach()), _MOST)
            if taken is not None:
                self._before.append(_Before(layer, parameter, taken, rates.get(id(parameter))))

    def after(self) -> dict[str, Update]:
        """By layer, what the step has changed; call it before the next one. Empty where none was awaited."""
        waiting, self._before = self._before, []
        groups: dict[tuple[torch.device, torch.Size], list[tuple[_Before, Tensor]]] = {}
        for each in waiting:
            now = sample(own_part(each.parameter.detach()), _MOST)
            if now is not None and now.values.shape == each.sample.values.shape:
                groups.setdefault((now.values.device, now.values.shape), []).append((each, now.values))
        return {layer: update for group in groups.values() for layer, update in _measured(group)}


def _measured(group: Sequence[tuple[_Before, Tensor]]) -> Iterator[tuple[str, Update]]:
    """All weights whose samples have one shape, with one transfer to the host."""
    was = torch.stack([each.sample.values for each, _ in group]).flatten(1)
    change = torch.stack([now for _, now in group]).flatten(1) - was
    size, moved = torch.linalg.vector_norm(torch.stack([was, change]), dim=2), torch.count_nonzero(change, dim=1)
    count = was.shape[1]
    for (each, _), weight, changed, left in zip(group, *torch.cat([size, moved[None]]).tolist(), strict=True):
        numbers = {"weight": weight / count**0.5, "change": changed / count**0.5, "unmoved": 1.0 - left / count}
        yield each.layer, Update(**numbers, rate=each.rate)


def left_out(
    trainable: Iterable[str], parameters: Mapping[str, nn.Parameter], optimizers: Sequence[Optimizer]
) -> set[str]:
    """Trainable parameters that no optimizer holds; empty where no optimizer is known."""
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return {name for name in trainable if held and id(parameters[name]) not in held}
