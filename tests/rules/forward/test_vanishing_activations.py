"""IH201: activations that shrink, and a head that receives nearly the same input for every sample."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Severity
from inithealth.rules.forward.vanishing_activations import VanishingActivations
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, vectors, with_options
from tests.rules.recordings import judge, measured, recording, signal, stack


def xavier(hidden: int) -> nn.Sequential:
    """Return a ReLU network with Xavier weights: each layer reduces the signal by a factor of 0.71."""
    model = mlp(hidden)
    torch.manual_seed(0)
    for layer in model[::2]:
        nn.init.xavier_normal_(layer.weight)
    return model


def test_the_signal_vanishes_in_a_deep_xavier_relu_network() -> None:
    model = xavier(40)
    report = judged(model)
    found = finding(report, "IH201")
    assert found.severity == Severity.ERROR
    assert found.layers[0] == "0"
    assert len(found.layers) == 40
    assert found.message.startswith("activations shrink to rms ")
    assert found.message.endswith(" at layer 78 (limit 0.00781)")
    assert found.measured is not None
    assert found.measured < 1e-4
    assert found.limit == 2**-7
    assert "(40 layers) have 0.71x the gain" in found.cause
    assert "over 40 layers this scales the signal" in found.cause
    assert [cause.code for cause in report.causes] == ["IH201"]
    assert "IH301" in [consequence.code for consequence in report.consequences(found)]
    assert fixed(model, "IH201").ok


def test_less_depth_is_a_warning() -> None:
    found = finding(judged(xavier(14)), "IH201")
    assert found.severity == Severity.WARNING
    assert found.measured is not None
    assert 2**-10 < found.measured < 2**-5


def test_he_initialization_preserves_the_signal() -> None:
    assert judged(mlp(40)).causes == ()


def test_a_head_that_receives_nearly_the_same_input_for_every_sample() -> None:
    """PyTorch's default biases keep the activations large although the inputs are lost."""
    torch.manual_seed(0)
    layers = [part for number in range(40) for part in (nn.Linear(64 if number else 32, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    found = finding(judged(model), "IH201")
    assert found.severity == Severity.ERROR
    assert found.message.startswith("layer 80 receives nearly the same input for every sample ")
    assert found.message.endswith(", limit 4e-05)")
    assert found.measured is not None
    assert found.measured < 1e-9
    assert fixed(model, "IH201").ok


def test_new_weights_do_not_fix_many_sigmoids() -> None:
    model = mlp(20, nn.Sigmoid)
    for layer in model[::2]:
        nn.init.xavier_uniform_(layer.weight)
    found = finding(judged(model), "IH201")
    assert "20 in a row" in found.cause
    assert found.fix.startswith("use tanh or ReLU instead of sigmoid")
    for place in range(1, 40, 2):  # the fix in the finding
        model[place] = nn.ReLU()
    assert judged(he(model)).ok


def test_shrinking_is_relative_to_a_small_input() -> None:
    report = judged(xavier(40), vectors() * 0.1)
    assert "times the input's rms (0.1" in finding(report, "IH201").message


def test_normalization_preserves_the_scale() -> None:
    torch.manual_seed(0)
    layers = [p for number in range(30) for p in (nn.Linear(64 if number else 32, 64), nn.LayerNorm(64), nn.ReLU())]
    assert "IH201" not in codes(judged(nn.Sequential(*layers, nn.Linear(64, 10))))


def test_identical_samples_are_not_a_vanishing_signal() -> None:
    """Due to the batch or a codebook, the gradient is normal."""
    assert "IH201" not in codes(judged(mlp(), vectors(1).expand(64, 32).clone()))


def faded(rms: float, gradient: float = 1e-4) -> Any:
    """Return a signal that vanishes, and its gradient."""
    layers = stack()
    return recording(layers, measured(layers, outputs={"fc2": rms}, gradients={"fc0": gradient}))


@pytest.mark.parametrize(("rms", "severity"), [(0.01, None), (0.007, Severity.WARNING), (5e-4, Severity.ERROR)])
def test_levels(rms: float, severity: Severity | None) -> None:
    assert [found.severity for found in judge(VanishingActivations, faded(rms))] == ([severity] if severity else [])


def test_a_signal_that_training_restores_is_a_warning() -> None:
    """One layer at 1/100 reduces the signal as much as ten at 1/2, but not the gradient: it trains."""
    (found,) = judge(VanishingActivations, faded(5e-4, gradient=0.01))
    assert found.severity == Severity.WARNING


def test_an_output_added_to_another_signal_may_be_small() -> None:
    layers = stack(fc2={"bypassable": True})
    assert judge(VanishingActivations, recording(layers, measured(layers, outputs={"fc2": 1e-4}))) == []


def test_the_input_rms_of_tokens_is_that_of_their_embeddings() -> None:
    layers = stack(fc0={"kind": "embedding", "activation": None})
    outputs = dict.fromkeys(["fc0", "fc1", "fc2", "fc3"], 0.005)
    assert judge(VanishingActivations, recording(layers, measured(layers, outputs), inputs={})) == []


def test_the_smallest_activation_is_named_with_its_cause() -> None:
    layers = stack(fc1={"weight": {"rms": 0.001}})
    (found,) = judge(VanishingActivations, recording(layers, measured(layers, outputs={"fc3": 1e-3})))
    assert found.layers == ("fc1",)
    assert found.message == "activations shrink to rms 0.001 at fc3 (limit 0.00781)"
    assert found.cause.startswith("the weights of fc1 have 0.0069x the gain")


def test_correct_gains_are_not_the_cause() -> None:
    (found,) = judge(VanishingActivations, faded(1e-3))
    assert found.cause.startswith("the scale of the weights is as expected")


def test_exact_zeros_are_not_small() -> None:
    assert judge(VanishingActivations, faded(0.0)) == []


def alike(between: float, **more: Any) -> Any:
    layers = stack()
    seen = {"input": signal(between=between).model_dump()}
    return recording(layers, measured(layers, gradients={"fc0": 1e-4}, head=seen), **more)


def test_learned_scales_near_zero_are_exempt() -> None:
    assert len(judge(VanishingActivations, alike(1e-12))) == 1
    assert judge(VanishingActivations, alike(1e-12, layer_scale=True)) == []
    assert judge(VanishingActivations, alike(1e-3)) == []


def test_options() -> None:
    model = xavier(14)
    assert "IH201" not in codes(judged(model, **with_options("vanishing-activations", low_rms=1e-4)))
    stricter = judged(model, **with_options("vanishing-activations", lowest_rms=0.03, min_passing_faded=1.0))
    assert finding(stricter, "IH201").severity == Severity.ERROR
    assert judge(VanishingActivations, alike(1e-12), min_passing=1e-5) == []
    assert judge(VanishingActivations, alike(1e-3), min_between=0.01)[0].severity == Severity.ERROR


def test_samples_that_become_alike_in_a_deep_normalized_stack() -> None:
    """The biases outweigh the weights a little more at each layer, and the normalization hides it."""

    def stack(scale: float) -> nn.Sequential:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for _ in range(16):
            linear = nn.Linear(64, 64)
            nn.init.normal_(linear.weight, std=scale * math.sqrt(2 / 64))
            layers += [linear, nn.LayerNorm(64), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(64, 8))

    batch = torch.randn(64, 64), torch.arange(64) % 8
    (cause,) = inithealth.check(stack(0.1), batch, loss=F.cross_entropy).causes
    assert (cause.code, cause.severity) == ("IH201", Severity.ERROR)
    assert inithealth.check(stack(1.0), batch, loss=F.cross_entropy).causes == ()


class Recommender(nn.Module):
    """A product of embeddings beside a perceptron, with the paper's initialization."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embeddings = nn.ModuleList(nn.Embedding(200, 32) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.out = nn.Linear(48, 1)
        for module in self.modules():
            if isinstance(module, (nn.Embedding, nn.Linear)):
                nn.init.normal_(module.weight, std=0.01)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        a, b, c, d = (embedding(x) for embedding, x in zip(self.embeddings, (user, item, user, item), strict=True))
        return self.out(torch.cat([a * b, self.mlp(torch.cat([c, d], 1))], 1)).squeeze(1)


def test_what_adam_trains_is_no_error_with_adam() -> None:
    model = Recommender()
    user, item = torch.randint(0, 200, (2, 256))
    batch = (user, item, (torch.rand(256) < 0.5).float())
    sgd, adam = torch.optim.SGD(model.parameters(), 0.1), torch.optim.Adam(model.parameters())
    for optimizer, healthy in ((sgd, False), (adam, True)):
        report = inithealth.check(model, batch, loss=F.binary_cross_entropy_with_logits, optimizer=optimizer)
        assert report.ok is healthy


class Powers(nn.Module):
    """Each layer's output is squared, so that a small signal shrinks by its square; the head's too."""

    def __init__(self, gain: float, *, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.LayerNorm(32) if norm else nn.Identity()
        self.layers = nn.ModuleList(nn.Linear(32, 32, bias=False) for _ in range(4))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=gain / 32**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x).square()
        return x


def near_one(output: torch.Tensor) -> torch.Tensor:
    return (1.0 - output).square().mean()


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_a_loss_that_does_not_depend_on_the_weights(norm: bool, kind: Any) -> None:
    model = Powers(0.15, norm=norm)
    optimizer = kind(model.parameters(), lr=1e-3)
    found = finding(judged(model, vectors(), near_one, optimizer=optimizer), "IH201")
    assert (found.severity, found.role) == (Severity.ERROR, "cause")
    assert found.layers[0].startswith("layers.")
    assert "of its value (limit 1e-06)" in found.message
    assert found.measured is not None
    assert found.measured < 1e-6


@pytest.mark.parametrize("gain", [0.6, 0.9])
def test_a_loss_that_depends_on_the_weights_is_healthy(gain: float) -> None:
    model = Powers(gain, norm=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    assert "IH201" not in codes(judged(model, vectors(), near_one, optimizer=optimizer))


def test_the_limit_of_the_dependence_is_an_option() -> None:
    options = with_options("vanishing-activations", min_sensitivity=1e-30)
    model = Powers(0.15, norm=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    assert "IH201" not in codes(judged(model, vectors(), near_one, optimizer=optimizer, **options))
