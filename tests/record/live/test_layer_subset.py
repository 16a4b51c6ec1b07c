"""In very deep networks an evenly spaced subset of the layers is measured, with a note."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD

import inithealth
from inithealth import Settings
from inithealth.record.live import hooks, updates
from inithealth.record.live.layer_subset import layer_subset


@pytest.mark.parametrize(("count", "most"), [(0, 4), (3, 4), (4, 4), (5, 4), (1000, 7), (10_000, 512)])
def test_the_subset_is_even_and_bounded(count: int, most: int) -> None:
    taken = list(layer_subset(range(count), most))
    assert len(taken) == min(count, most)
    assert taken == sorted(set(taken))
    gaps = {after - before for before, after in itertools.pairwise(taken)}
    assert max(gaps, default=1) - min(gaps, default=1) <= 1


def test_a_stride_does_not_select_the_same_position_in_every_block() -> None:
    assert {layer % 6 for layer in layer_subset(range(6000), 512)} == set(range(6))


def test_a_deep_network_is_measured_completely_once_and_then_partially(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(items: list[object]) -> list[object]:
        return list(layer_subset(items, 4))

    monkeypatch.setattr(hooks, "layer_subset", few)
    monkeypatch.setattr(updates, "layer_subset", few)
    torch.manual_seed(0)
    model = nn.Sequential(*(layer for _ in range(11) for layer in (nn.Linear(8, 8), nn.ReLU())), nn.Linear(8, 4))
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer, settings=Settings(schedule="every")) as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(torch.ones(3, 8)), torch.arange(3))
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    first, *later = monitor.recording.steps
    assert all(m.output is not None and m.gradient is not None for m in first.layers)
    for step in later:
        shown = [m.layer for m in step.layers if m.output is not None]
        assert shown == [m.layer for m in step.layers if m.gradient is not None] == ["0", "6", "12", "18"]
        assert all(m.weight_gradient is not None for m in step.layers)
        assert len(step.layers) == 12
    assert set(later[0].updates) == {"0", "6", "12", "18"}
    assert any("activations and gradients of 8 layers are measured at the first step only" in note
               for note in monitor.report.notes)  # fmt: skip
    assert not any(module._forward_hooks for module in model.modules())
