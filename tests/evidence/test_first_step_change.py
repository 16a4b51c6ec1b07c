"""The change by the first optimizer step: compared with a step that is taken."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.evidence.first_step_change import FirstStepLimits, octaves_from_target, unstable_layers
from inithealth.recording import Recording
from inithealth.sessions.oneshot import record

WIDTH, LABELS = 32, torch.arange(48) % 8
X = torch.randn(48, WIDTH, generator=torch.Generator().manual_seed(1))
NONE = FirstStepLimits(max_first_change=0.0, max_first_change_adaptive=0.0)


def stack(depth: int, scale: float, *, biased: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(WIDTH, WIDTH, bias=biased)
        nn.init.normal_(linear.weight, std=scale * math.sqrt(2 / WIDTH))
        layers += [linear, nn.LayerNorm(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 8))


def loss(output: Tensor) -> Tensor:
    return F.cross_entropy(output, LABELS)


def recorded(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> Recording:
    return record(model, X, loss=loss, optimizer=optimizer)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_the_change_is_that_of_the_step(kind: type[torch.optim.Optimizer]) -> None:
    model = stack(14, 0.5)
    optimizer = kind(model.parameters(), lr=0.004)
    layers, total = unstable_layers(recorded(model, optimizer), NONE)
    assert len(layers) == 14
    weights = [module.weight for module in model[:-1] if isinstance(module, nn.Linear)]
    before = [weight.detach().clone() for weight in weights]
    loss(model(X)).backward()
    optimizer.step()
    changes = [float((w - b).norm() / b.norm()) for w, b in zip([w.detach() for w in weights], before, strict=True)]
    assert total == pytest.approx(sum(changes), rel=0.1)  # units without gradient do not move


def test_without_an_optimizer_both_kinds_have_to_change_them() -> None:
    assert unstable_layers(recorded(stack(16, 0.05)), FirstStepLimits())[0]
    recording = recorded(stack(16, 0.05))
    assert unstable_layers(recording, FirstStepLimits(max_first_change=1e9)) == ([], 0.0)
    assert unstable_layers(recording, FirstStepLimits(max_first_change_adaptive=1e9)) == ([], 0.0)


def test_shallow_networks_and_branches_are_not_checked() -> None:
    assert unstable_layers(recorded(stack(7, 0.05)), NONE)[0] == []
    branched = recorded(stack(14, 0.05)).model_copy(update={"branches": 2})
    assert unstable_layers(branched, NONE)[0] == []


def test_networks_with_batch_norm_recover() -> None:
    model = stack(14, 0.05)
    for place, module in enumerate(model):
        if isinstance(module, nn.LayerNorm):
            model[place] = nn.BatchNorm1d(WIDTH)
    assert unstable_layers(recorded(model), NONE)[0] == []


def test_the_distance_from_the_expected_gain() -> None:
    first = recorded(stack(2, 0.25)).layers[0]
    assert octaves_from_target(first) == pytest.approx(-2.0, abs=0.1)
