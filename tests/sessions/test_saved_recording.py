"""Recordings in checkpoints are small."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

import inithealth
from inithealth import Settings
from inithealth.recording import Recording
from inithealth.sessions.saved_recording import packed, unpacked


def recorded(layers: int, steps: int) -> Recording:
    torch.manual_seed(0)
    net = nn.Sequential(*(each for _ in range(layers) for each in (nn.Linear(8, 8), nn.Tanh())))
    optimizer = torch.optim.Adam(net.parameters())
    settings = Settings(schedule="every", until=None)
    with inithealth.watch(net, optimizer=optimizer, settings=settings, verbose=False) as monitor:
        for _ in range(steps):
            loss = (net(torch.randn(16, 8)) - 1.0).square().mean()
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.recording


def test_a_small_recording_is_kept_whole() -> None:
    recording = recorded(3, 20)
    restored = unpacked(packed(recording))
    assert [step.index for step in restored.steps] == [step.index for step in recording.steps]
    assert [layer.name for layer in restored.layers] == [layer.name for layer in recording.layers]
    assert restored.steps[-1].loss == pytest.approx(recording.steps[-1].loss, rel=1e-5)


@pytest.mark.parametrize(("layers", "steps"), [(3, 60), (60, 40), (200, 20)])
def test_its_size_is_limited(layers: int, steps: int) -> None:
    recording = recorded(layers, steps)
    data = packed(recording)
    # `torch.save` uses protocol 2, in which half of the bytes take two; 100 bytes are the pickle's own.
    assert len(pickle.dumps(data, protocol=2)) <= 100_000 + 200 * layers + 100
    restored = unpacked(data)
    assert restored.steps[0].index == 0
    assert restored.steps[-1].index == recording.steps[-1].index
    assert len(restored.steps) >= 3


def test_numbers_that_are_not_finite_survive() -> None:
    recording = recorded(3, 3)
    broken = recording.steps[-1].model_copy(update={"loss": float("nan"), "global_gradient_norm": float("inf")})
    restored = unpacked(packed(recording.model_copy(update={"steps": (recording.steps[0], broken)})))
    assert restored.steps[-1].broken
    assert restored.steps[-1].global_gradient_norm == float("inf")


@pytest.mark.parametrize("data", [b"", b"{}", b"\x78\x9c"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a compressed recording"):
        unpacked(data)
