"""Measures the change of the weights in an optimizer step, by a sample of each before and after it.

A weight of which a part is trained may have no trained element in its sample. So a weight whose sample did not change
is compared as a whole at its next measured step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.record.live.layer_subset import layer_subset
from inithealth.record.live.step_laws import StepLaw, step_law
from inithealth.record.statistics.checksum import checksum
from inithealth.record.statistics.sample import Sample, sample
from inithealth.record.tensors import local_shard
from inithealth.recording import Layer, Update, weighted

_MOST = 32  # elements of one weight, each a possible cache miss: the standard error of an rms is 12 %


@dataclass(frozen=True)
class _Before:
    layer: str
    parameter: nn.Parameter
    sample: Sample
    rate: float | None
    law: StepLaw | None
    checksum: Tensor | None  # of the whole weight, if its sample did not change in its last measured step


class Updates:
    """Measures the weights of one model before and after an optimizer step.

    Args:
        optimizers: their learning rates are recorded; empty if they are unknown.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], optimizers: Sequence[Optimizer]) -> None:
        self._parameters, self._optimizers = parameters, optimizers
        self._before: list[_Before] = []
        self._still: set[str] = set()  # layers whose sample did not change in their last measured step

    def before(self, layers: Iterable[Layer], steps: Optimizer | None = None) -> None:
        """Sample the weights right before an optimizer's step.

        Args:
            steps: the optimizer that steps; only its weights are sampled. If it is None and there are several
                optimizers, nothing is measured.
        """
        self._before = []
        if steps is None and len(self._optimizers) > 1:
            return
        known = self._optimizers if steps is None else [getattr(steps, "optimizer", steps)]
        rates = {id(p): (float(g["lr"]), o) for o in known for g in o.param_groups for p in g["params"]}
        trained = [(layer.name, weight.name) for layer, weight in weighted(layers) if weight.trainable]
        for layer, name in layer_subset(trained):
            parameter = self._parameters[name]
            if steps is not None and id(parameter) not in rates:
                continue
            shard = local_shard(parameter.detach())
            taken = sample(shard, _MOST)
            if taken is not None:
                rate, optimizer = rates.get(id(parameter), (None, None))
                law = None if optimizer is None else step_law(optimizer, parameter)
                whole = checksum(shard) if layer in self._still else None
                self._before.append(_Before(layer, parameter, taken, rate, law, whole))

    def after(self) -> dict[str, Update]:
        """Return the changes by layer. Call it before the next step; empty if nothing was sampled."""
        waiting, self._before = self._before, []
        groups: dict[tuple[torch.device, torch.Size], list[tuple[_Before, Tensor]]] = {}
        for each in waiting:
            now = sample(local_shard(each.parameter.detach()), _MOST)
            if now is not None and now.values.shape == each.sample.values.shape:
                groups.setdefault((now.values.device, now.values.shape), []).append((each, now.values))
        updates = {layer: update for group in groups.values() for layer, update in _measured(group)}
        self._still -= updates.keys()
        self._still |= {layer for layer, update in updates.items() if update.change == 0.0}
        return updates


def _measured(group: Sequence[tuple[_Before, Tensor]]) -> Iterator[tuple[str, Update]]:
    """Yield the updates of weights whose samples have the same shape, with one transfer to the host."""
    was = torch.stack([each.sample.values for each, _ in group]).reshape(len(group), -1)  # also of scalars
    change = torch.stack([now for _, now in group]).reshape(len(group), -1) - was
    size, moved = torch.linalg.vector_norm(torch.stack([was, change]), dim=2), torch.count_nonzero(change, dim=1)
    count = was.shape[1]
    for (each, _), weight, changed, left in zip(group, *torch.cat([size, moved[None]]).tolist(), strict=True):
        unmoved = 1.0 - left / count if left > 0 or not _moved(each) else 1.0 - 0.5 / count
        numbers = {"weight": weight / count**0.5, "change": changed / count**0.5, "unmoved": unmoved}
        usual = None if each.law is None or each.rate is None else each.law.usual(each.rate, numbers["weight"])
        yield each.layer, Update(**numbers, rate=each.rate, usual=usual)


def _moved(each: _Before) -> bool:
    """Whether the whole weight is known to have changed. Its share is less than that of one sampled element."""
    return each.checksum is not None and not torch.equal(each.checksum, checksum(local_shard(each.parameter.detach())))


def left_out(
    trainable: Iterable[str], parameters: Mapping[str, nn.Parameter], optimizers: Sequence[Optimizer]
) -> set[str]:
    """Return the trainable parameters that are in no optimizer; empty without optimizers."""
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return {name for name in trainable if held and id(parameters[name]) not in held}
