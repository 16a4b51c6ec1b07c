"""Labels networks by training: each is trained in three ways and fails only if all three fail."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from statistics import mean

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from benchmarks.faults.tasks import Batch, digits
from benchmarks.nets import Case

from .grid import Plan
from .networks import CLASSES, PIXELS, SIDE, build

BATCH, STEPS, WARM_UP = 64, 300, 20
EVERY, LAST = 25, 4  # steps between evaluations of the held-out loss; number of evaluations averaged
GUESS = math.log(CLASSES)  # loss of a uniform prediction
WORST = 2 * GUESS
FAILS, TRAINS, LEARNED = 0.85, 0.5, 0.25  # shares of GUESS

# Momentum is used because a learning rate of 0.01 is otherwise too low for a healthy shallow network in so few steps.
# With momentum, 0.1 makes healthy networks of eight layers diverge, so the gradient is clipped there.
WAYS: dict[str, tuple[Callable[..., Optimizer], float | None]] = {  # the optimizer, and the gradient clipping norm
    "sgd .01": (partial(SGD, lr=0.01, momentum=0.9, fused=True), None),
    "sgd .1": (partial(SGD, lr=0.1, momentum=0.9, fused=True), 1.0),
    "adam .001": (partial(Adam, lr=0.001, fused=True), None),
}


def label(losses: dict[str, float]) -> str:
    """Return "fails" or "trains" if all ways of training agree, else "mixed"."""
    if all(loss >= FAILS * GUESS for loss in losses.values()):
        return "fails"
    if all(loss <= TRAINS * GUESS for loss in losses.values()):
        return "trains"
    return "mixed"


def train(plan: Plan, seed: int) -> dict[str, float]:
    """Return the final held-out loss for each way of training: the mean of the last four evaluations.

    Each evaluation counts at most twice the loss of guessing, and a non-finite loss counts as much. Training stops
    early once that mean is half of the limit for "trains".
    """
    return {name: _trained(plan, seed, *way) for name, way in WAYS.items()}


def case(plan: Plan, seed: int) -> Case:
    """Return the untrained network with the first batch of its training."""
    x, y = next(_batches(plan, seed))
    return Case(_drawn(plan, seed), x, lambda output: F.cross_entropy(output, y))


def _drawn(plan: Plan, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(plan)


def _shape(plan: Plan) -> tuple[int, ...]:
    return (1, SIDE, SIDE) if plan.kind == "conv" else (PIXELS,)


def _batches(plan: Plan, seed: int) -> Iterator[Batch]:
    draw, draws = digits(*_shape(plan)), Generator().manual_seed(1000 + seed)
    while True:
        yield draw(draws, BATCH, False)


def _trained(plan: Plan, seed: int, make: Callable[..., Optimizer], clip: float | None) -> float:
    model = _drawn(plan, seed)
    descent = make(model.parameters())
    rate = descent.param_groups[0]["lr"]
    held_out = digits(*_shape(plan))(Generator().manual_seed(99), 4 * BATCH, True)
    looks: deque[float] = deque([WORST] * LAST, maxlen=LAST)
    for step, (x, y) in zip(range(1, STEPS + 1), _batches(plan, seed), strict=False):
        descent.param_groups[0]["lr"] = rate * min(1.0, step / WARM_UP)
        descent.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if not math.isfinite(loss.item()):
            return WORST
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        descent.step()
        if step % EVERY == 0:
            looks.append(_held_out_loss(model, *held_out))
            if mean(looks) <= LEARNED * GUESS:
                break
    return mean(looks)


@torch.no_grad()
def _held_out_loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the loss in training mode, so BatchNorm's running means do not affect it."""
    loss = F.cross_entropy(model(x), y).item()
    return min(loss, WORST) if math.isfinite(loss) else WORST
