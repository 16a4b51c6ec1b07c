"""Small seeded networks with a batch, and functions that look up a finding and run its fix."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Report, Settings
from inithealth.record.sandbox.execution import execute

FEATURES, WIDTH, CLASSES = 32, 64, 10
Loss = Callable[[Any], Tensor]


def vectors(samples: int = 64, features: int = FEATURES) -> Tensor:
    return torch.randn(samples, features, generator=torch.Generator().manual_seed(1))


def pictures(samples: int = 16, channels: int = 3, size: int = 8) -> Tensor:
    return torch.randn(samples, channels, size, size, generator=torch.Generator().manual_seed(2))


def cross_entropy(output: Tensor) -> Tensor:
    targets = torch.randint(output.shape[1], (output.shape[0],), generator=torch.Generator().manual_seed(3))
    return F.cross_entropy(output, targets)


def he(model: nn.Module) -> nn.Module:
    """Initialize every linear and convolution layer with std ``sqrt(2 / fan_in)``, and every bias with zero."""
    torch.manual_seed(4)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def mlp(hidden: int = 4, activation: type[nn.Module] = nn.ReLU, width: int = WIDTH) -> nn.Sequential:
    """Return ``hidden`` layers, named 0, 2, 4 and so on, and a head; healthy for ReLU."""
    widths = [FEATURES, *[width] * hidden]
    layers = [part for reads, gives in pairwise(widths) for part in (nn.Linear(reads, gives), activation())]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))
    he(model)
    return model


def zeroed(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def judged(
    model: nn.Module, batch: Any = None, loss: Loss | None = cross_entropy, *, optimizer: Any = None, **options: Any
) -> Report:
    """Run a check; ``options`` are fields of Settings."""
    batch = vectors() if batch is None else batch
    settings = Settings.model_validate(options)
    return inithealth.check(model, batch, loss=loss, optimizer=optimizer, settings=settings)


def with_options(rule: str, **options: Any) -> dict[str, Any]:
    """Return the setting with the options of one rule."""
    return {"rules": {rule: options}}


def finding(report: Report, code: str) -> Finding:
    """Return the only finding of that code, a cause or a consequence."""
    found = [each for each in report.findings if each.code == code]
    assert len(found) == 1, f"{code} found {len(found)} times:\n{report}"
    return found[0]


def codes(report: Report) -> list[str]:
    return [each.code for each in report.findings]


def typed(found: Finding, model: nn.Module) -> None:
    """Run the fix of a finding on ``model``, as a user would; its operations have the same effect."""
    other = copy.deepcopy(model)
    with torch.random.fork_rng():
        execute(other, found.operations)
    exec(found.fix, {"model": model, "nn": nn})
    if found.operations:
        for mine, its in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(mine.nan_to_num(), its.nan_to_num())
            assert mine.requires_grad is its.requires_grad


def fixed(model: nn.Module, code: str, batch: Any = None, loss: Loss | None = cross_entropy) -> Report:
    """Return the report after the fix of that code's finding, and assert that the finding is gone."""
    typed(finding(judged(model, batch, loss), code), model)
    report = judged(model, batch, loss)
    assert code not in codes(report), str(report)
    return report
