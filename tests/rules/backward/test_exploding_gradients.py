"""IH302: gradients that grow in the backward pass; with BatchNorm some growth is expected."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.rules.backward.exploding_gradients import ExplodingGradients
from tests.rules.nets import codes, finding, fixed, judged, mlp, with_options
from tests.rules.recordings import judge, measured, recording, stack


def loud(hidden: int, gain: float = 3.0) -> nn.Sequential:
    """A tanh network with 3x LeCun weights: the gradient grows at every layer, the signal is bounded."""
    model = mlp(hidden, nn.Tanh)
    torch.manual_seed(0)
    for layer in model[:-1:2]:
        nn.init.normal_(layer.weight, std=gain / layer.in_features**0.5)
    return model


def test_gradients_explode_in_a_deep_network_with_large_weights() -> None:
    model = loud(20)
    found = finding(judged(model, select="IH302"), "IH302")
    assert found.severity == Severity.WARNING
    assert found.message.startswith("gradients grow ")
    assert found.message.endswith("x in the backward pass from layer 40 to layer 0 (limit 50x)")
    assert found.measured is not None
    assert found.measured > 50
    assert found.limit == 50.0
    assert "the gain that preserves the signal through tanh" in found.cause
    fixed(model, "IH302")


def test_larger_growth_is_an_error() -> None:
    assert finding(judged(loud(40), select="IH302"), "IH302").severity == Severity.ERROR


def test_healthy_networks_have_no_finding() -> None:
    assert "IH302" not in codes(judged(mlp(40)))
    assert "IH302" not in codes(judged(loud(5, gain=1.6)))


def test_gradients_that_grow_with_batch_norm_are_expected() -> None:
    torch.manual_seed(0)
    layers = [
        part for number in range(20) for part in (nn.Linear(64 if number else 32, 64), nn.BatchNorm1d(64), nn.ReLU())
    ]
    report = judged(nn.Sequential(*layers, nn.Linear(64, 10)))
    assert report.causes == ()
    norms = [m.gradient.norm for m in report.measurements if m.gradient is not None]
    assert norms[0] > 5 * norms[-1]


def grown(growth: float, **more: Any) -> Any:
    layers = stack()
    return recording(layers, measured(layers, gradients={"fc0": growth}), **more)


@pytest.mark.parametrize(
    ("growth", "normalized", "severity"),
    [
        (49.0, False, None),
        (51.0, False, Severity.WARNING),
        (1001.0, False, Severity.ERROR),
        (9e4, True, None),
        (2e5, True, Severity.WARNING),
        (2e7, True, Severity.ERROR),
    ],
)
def test_levels(growth: float, normalized: bool, severity: Severity | None) -> None:
    found = judge(ExplodingGradients, grown(growth, normalized=normalized))
    assert [each.severity for each in found] == ([severity] if severity else [])


def test_the_message_names_both_ends_and_the_layers_between_are_the_cause() -> None:
    layers = stack(fc1={"weight": {"rms": 1.0}}, fc3={"weight": {"rms": 1.0}})
    made_up = recording(layers, measured(layers, gradients={"fc2": 100.0}))
    (found,) = judge(ExplodingGradients, made_up)
    assert "from head to fc2" in found.message
    assert found.measured == pytest.approx(100.0)
    assert found.limit == 50.0
    assert found.layers == ("fc3",)


def test_a_skipped_rule_has_a_reason() -> None:
    assert ExplodingGradients().skipped(recording(steps=())) == "fewer than two layers have a non-zero gradient"
    assert ExplodingGradients().skipped(grown(1.0)) is None


def test_options() -> None:
    options = with_options("exploding-gradients", high_growth=1e9)
    assert codes(judged(loud(20), select="IH302", **options)) == []
    options = with_options("exploding-gradients", highest_growth=51.0)
    assert finding(judged(loud(20), select="IH302", **options), "IH302").severity == Severity.ERROR
    assert judge(ExplodingGradients, grown(2e5, normalized=True), high_growth_normalized=1e6) == []
    strict = judge(ExplodingGradients, grown(2e5, normalized=True), highest_growth_normalized=1.5e5)
    assert strict[0].severity == Severity.ERROR


class PaddedAttention(nn.Module):
    """Cosine attention in a window that is padded with zeros, whose directions have a slope of 1e12."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(32), nn.Linear(32, 96, bias=bias), nn.Linear(32, 32)
        if bias:
            nn.init.zeros_(self.qkv.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.shape[1]
        padded = nn.functional.pad(self.norm(x), (0, 0, 0, 4))
        q, k, v = self.qkv(padded).chunk(3, -1)
        cosines = nn.functional.normalize(q, dim=-1) @ nn.functional.normalize(k, dim=-1).mT
        out: torch.Tensor = x + self.proj((10 * cosines).softmax(-1) @ v)[:, :tokens]
        return out


def padded(*, bias: bool) -> Any:
    torch.manual_seed(0)
    blocks = [PaddedAttention(bias=bias) for _ in range(3)]
    model = nn.Sequential(nn.Linear(16, 32), *blocks, nn.LayerNorm(32), nn.Flatten(), nn.Linear(12 * 32, 10))
    return judged(model, torch.randn(16, 12, 16))


def test_a_gradient_at_padding_that_no_weight_receives_does_no_harm() -> None:
    report = padded(bias=False)
    assert max(m.gradient.norm for m in report.measurements if m.gradient is not None) > 1e6
    assert report.causes == ()


def test_a_bias_receives_the_gradient_at_padding() -> None:
    assert "IH302" in codes(padded(bias=True))
