"""Measures the cost of a check in deep networks relative to one bare forward and backward pass; prints a table.

python -m benchmarks.depth
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth

_BATCH, _CLASSES, _ROUNDS = 256, 10, 5
_SIZES = ((128, 250), (128, 1000), (256, 250), (256, 1000), (512, 250))  # width, layers


def network(width: int, layers: int) -> nn.Sequential:
    """Return a plain ReLU network with He initialization."""
    body: list[nn.Module] = []
    for _ in range(layers):
        linear = nn.Linear(width, width)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        body += [linear, nn.ReLU()]
    return nn.Sequential(*body, nn.Linear(width, _CLASSES))


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU time of a call, which depends less on the machine's load than wall time."""
    start = time.process_time()
    run()
    return time.process_time() - start


def measured(width: int, layers: int) -> tuple[float, float]:
    """Return the median seconds of a bare pass and of a check, measured in alternation."""
    model, batch = network(width, layers), torch.randn(_BATCH, width)
    targets = torch.randint(_CLASSES, (_BATCH,))

    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output, targets)

    def bare() -> None:
        loss(model(batch)).backward()
        model.zero_grad()

    bare()
    inithealth.check(model, batch, loss=loss)
    pairs = [(seconds(bare), seconds(lambda: inithealth.check(model, batch, loss=loss))) for _ in range(_ROUNDS)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def main() -> None:
    torch.set_num_threads(1)
    print(f"batch {_BATCH}\n{'width':>6}{'layers':>8}{'bare s':>9}{'check s':>9}{'ratio':>7}{'check, us a layer':>20}")
    for width, layers in _SIZES:
        bare, check = measured(width, layers)
        print(f"{width:6}{layers:8}{bare:9.2f}{check:9.2f}{check / bare:7.2f}{check / layers * 1e6:20.0f}", flush=True)


if __name__ == "__main__":
    main()
