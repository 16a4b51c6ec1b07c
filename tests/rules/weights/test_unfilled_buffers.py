"""IH102 at buffers: those that multiply positions or phases, or that contain uninitialized memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Severity
from inithealth.recording import UnfilledBuffer
from inithealth.rules.weights.uninitialised_weights import UninitialisedWeights
from tests.rules.nets import cross_entropy, finding, fixed, judged, vectors
from tests.rules.recordings import judge, recording

FEATURES, LENGTH, HEADS, CLASSES = 32, 12, 4, 10
OLD_BYTES = torch.tensor([0x7F4D_21A0, 0x0000_7F31], dtype=torch.int32).view(torch.float32)


class Fourier(nn.Module):
    """Random Fourier features of the input, for which a gradient is computed."""

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.body = nn.Sequential(nn.Linear(2 * FEATURES, 64), nn.ReLU(), nn.Linear(64, CLASSES))

    def reset(self) -> None:
        self.frequencies = torch.randn(FEATURES, FEATURES) / FEATURES**0.5

    def forward(self, x: Tensor) -> Tensor:
        phases = x @ self.frequencies
        output: Tensor = self.body(torch.cat([phases.sin(), phases.cos()], 1))
        return output


class Biased(nn.Module):
    """Attention whose scores decrease with the distance of the positions."""

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes)
        self.qkv, self.head = nn.Linear(FEATURES, 3 * FEATURES), nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        at = torch.arange(x.shape[1])
        distance = (at[:, None] - at).abs() * self.slopes[:, None, None]
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=-distance.to(q.dtype))
        output: Tensor = self.head(read.transpose(1, 2).flatten(2).mean(1))
        return output


class Filtered(nn.Module):
    def __init__(self, filters: Tensor) -> None:
        super().__init__()
        self.register_buffer("filters", filters)
        self.body = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.body(F.layer_norm(x @ self.filters, (FEATURES,)))
        return output


class Stateful(nn.Module):
    """Buffers that are healthy at zero, or before they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.input = nn.GRUCell(FEATURES, FEATURES), nn.Linear(FEATURES, FEATURES)
        self.head = nn.Linear(FEATURES, CLASSES)
        self.register_buffer("start", torch.zeros(1, FEATURES))
        self.register_buffer("decay", torch.full((FEATURES,), 0.9))
        self.register_buffer("shift", torch.zeros(FEATURES))
        self.register_buffer("counts", torch.zeros(CLASSES))
        self.register_buffer("average", torch.zeros(FEATURES))
        self.register_buffer(
            "mask", torch.zeros(LENGTH, LENGTH).masked_fill(torch.ones(LENGTH, LENGTH).triu(1) > 0, -1e38)
        )
        self.register_buffer(
            "cache", torch.cat([OLD_BYTES] * (2 * LENGTH * FEATURES // 4)).view(LENGTH, FEATURES).clone()
        )
        self.register_buffer("alpha", torch.zeros(1))
        self.register_buffer("unset", torch.full((FEATURES,), float("nan")))

    def forward(self, x: Tensor) -> Tensor:
        state = (self.start * self.decay).expand(len(x), -1)
        state = self.cell(self.input(x), state) + self.start * torch.arange(FEATURES).fmod(2)
        self.cache[0] = state.detach().mean(0)
        self.average.mul_(0.99).add_(0.01 * self.cache[0])
        self.counts += 1.0
        mixed = self.mask.softmax(1)[:1] @ torch.cat([self.cache[:1]] * LENGTH)
        center = torch.where(self.unset.isnan(), self.average, self.unset)
        read = state + mixed - self.shift * (8 * x).round().sum(1, keepdim=True) - center
        output: Tensor = self.head(read + self.alpha * (self.alpha * torch.arange(4)).sin().sum())
        return output


def test_zero_frequencies_are_unfilled() -> None:
    model = Fourier(torch.zeros(FEATURES, FEATURES))
    found = finding(judged(model), "IH102")
    assert (found.severity, found.layers, found.role) == (Severity.ERROR, ("frequencies",), "cause")
    assert found.fix == "model.reset()"
    assert fixed(model, "IH102").ok


def test_zero_slopes_are_unfilled() -> None:
    batch = torch.randn(16, LENGTH, FEATURES)
    found = finding(judged(Biased(torch.zeros(HEADS)), batch), "IH102")
    assert "all positions look the same" in found.message
    assert judged(Biased(2.0 ** -torch.arange(1.0, HEADS + 1)), batch).ok


def test_uninitialized_memory_is_found_in_buffers() -> None:
    filters = torch.cat([OLD_BYTES] * (FEATURES * FEATURES // 2)).view(FEATURES, FEATURES)
    found = finding(judged(Filtered(filters)), "IH102")
    assert (found.severity, found.layers, found.role) == (Severity.ERROR, ("filters",), "cause")
    assert judged(Filtered(torch.eye(FEATURES))).ok


def test_states_masks_and_counters_may_be_zero() -> None:
    assert judged(Stateful()).ok


def test_the_buffer_keeps_its_values() -> None:
    model = Stateful()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    inithealth.check(model, vectors(), loss=cross_entropy)
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers() if name != "unset")


@pytest.mark.parametrize(("use", "count"), [("angle", 1), ("values", 2)])
def test_each_use_is_one_finding(use: str, count: int) -> None:
    buffers = [UnfilledBuffer(name=f"{name}.rates", module=name, use="angle") for name in ("one", "two")]
    buffers.append(UnfilledBuffer.model_validate({"name": "three.rates", "module": "three", "use": use}))
    found = judge(UninitialisedWeights, recording(unfilled=tuple(buffers)))
    assert len(found) == count
    assert found[0].layers == ("one", "two", "three")[: 4 - count]
