"""IH304: detached layers, layers with zero gradient and unused layers; frozen and exempt layers are not reported."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from inithealth.recording import Probation
from inithealth.rules.backward.no_gradient import NoGradient
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, pictures, vectors, zeroed
from tests.rules.recordings import judge, recording, stack


class Cut(nn.Module):
    """A function between the body and the head blocks the gradient."""

    def __init__(self, between: Any) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(32, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.between = between
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(F.relu(self.second(F.relu(self.first(x))))))


def test_a_detached_body_is_an_error_and_the_cut_is_located() -> None:
    report = judged(Cut(lambda x: x.detach()))
    found = finding(report, "IH304")
    assert found.severity == Severity.ERROR
    assert found.layers == ("second", "first")
    assert "no gradient reaches the weights" in found.message
    assert "cut after second" in found.cause
    assert found.fix.startswith("remove the .detach()")
    assert found.fix.endswith(" second")
    assert judged(Cut(lambda x: x)).causes == ()  # the fix in the finding


def test_a_numpy_conversion_is_a_cut_too() -> None:
    report = judged(Cut(lambda x: torch.from_numpy(x.detach().numpy())))
    assert finding(report, "IH304").layers == ("second", "first")


def test_upstream_layers_of_a_zero_slope_have_no_gradient() -> None:
    report = judged(Cut(torch.sign))
    found = finding(report, "IH304")
    assert found.severity == Severity.ERROR
    assert found.layers == ("second", "first")
    assert found.message == "first, second: the gradient is exactly zero in 4 steps"
    assert "between second and the loss" in found.cause
    assert "downstream of second" in found.fix


class Spare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.spare, self.head = nn.Linear(32, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.fc(x)))


def test_a_layer_that_is_never_called_is_info() -> None:
    model = Spare()
    report = judged(model)
    found = finding(report, "IH304")
    assert (found.severity, found.layers) == (Severity.INFO, ("spare",))
    assert found.message == "spare: the loss does not depend on this layer"
    assert found.fix == "# if this is intentional:\nmodel.spare.requires_grad_(False)"
    assert report.ok
    assert fixed(model, "IH304").causes == ()


def test_several_unused_layers_are_one_finding() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList(nn.Linear(32, 10) for _ in range(5))
            self.prompt = nn.Parameter(torch.randn(4, 32))

        def forward(self, x: Tensor) -> Tensor:
            return self.branches[0](x)

    model = Branches()
    found = finding(judged(model), "IH304")
    assert found.message == "prompt ... branches.4 (5 layers): the loss does not depend on these layers"
    fixed(model, "IH304")
    assert model.branches[0].weight.requires_grad
    assert not model.prompt.requires_grad


def test_a_frozen_backbone_is_healthy() -> None:
    model = mlp()
    model[:6].requires_grad_(False)
    assert judged(model).causes == ()
    convolutions = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten()))
    convolutions.requires_grad_(False)
    assert judged(convolutions.append(nn.Linear(576, 10)), pictures()).causes == ()


def test_the_output_projection_of_an_attention_is_judged() -> None:
    """The hook of ``MultiheadAttention.out_proj`` is never called."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.attention, self.head = nn.MultiheadAttention(32, 4, batch_first=True), nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.attention(x, x, x)[0].mean(1))

    report = judged(Attention(), vectors(64 * 5).reshape(64, 5, 32))
    assert report.causes == ()
    measured = {m.layer: m for m in report.measurements}
    assert measured["attention.out_proj"].output is not None
    assert measured["attention.out_proj"].gradient is not None


def test_experts_unused_in_this_batch_are_at_most_info() -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.gate, self.head = nn.Linear(32, 8), nn.Linear(32, 10)
            self.experts = nn.ModuleList(nn.Linear(32, 32) for _ in range(8))

        def forward(self, x: Tensor) -> Tensor:
            chosen = self.gate(x)[:, :5].argmax(1)
            weights = self.gate(x).softmax(1)
            parts = [self.experts[n](x[chosen == n]) * weights[chosen == n, n : n + 1] for n in range(5)]
            order = torch.cat([(chosen == n).nonzero()[:, 0] for n in range(5)])
            return self.head(x + torch.cat(parts)[order.argsort()])

    report = judged(Mixture())
    assert [(cause.code, cause.severity) for cause in report.causes] == [("IH304", Severity.INFO)]


def test_no_gradient_is_expected_for_a_bias_before_batch_norm() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    assert judged(nn.Sequential(*layers, nn.Linear(64, 10))).causes == ()


def test_a_cut_graph_is_never_a_consequence() -> None:
    """The zero layer explains the zero gradients upstream, but not the detached branch."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.side, self.head = mlp(3), nn.Linear(32, 10), nn.Linear(10, 10)
            zeroed(self.body[2])

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x) + self.side(x).detach())

    report = judged(Both())
    assert {cause.code for cause in report.causes} == {"IH103", "IH304"}
    detached = next(cause for cause in report.causes if cause.code == "IH304")
    assert detached.layers == ("side",)
    assert "IH304" in [found.code for found in report.consequences(report.causes[0])]


def test_before_four_steps_a_zero_gradient_is_info() -> None:
    trial = Probation(steps=1, settled=False, asleep=("fc0.weight", "fc1.weight"))
    (found,) = judge(NoGradient, recording(stack(), probation=trial))
    assert found.severity == Severity.INFO
    assert found.message == "fc0, fc1: the gradient is exactly zero so far"
    assert found.layers == ("fc1", "fc0")


def test_names_that_are_not_layers_are_ignored() -> None:
    trial = Probation(steps=4, settled=True, asleep=("gone.weight",))
    assert judge(NoGradient, recording(detached=("gone",), unused=("gone",), probation=trial)) == []
    assert judge(NoGradient, recording()) == []
    assert "IH304" not in codes(judged(mlp()))


@pytest.mark.parametrize(("units", "bias", "found"), [(4, -1.0, []), (4, -9.0, ["IH204"]), (32, -1.0, ["IH204"])])
def test_few_units_of_a_bypassed_layer_can_be_dead_by_chance(units: int, bias: float, found: list[str]) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = mlp(2), nn.Linear(10, 10)
            self.squeeze, self.excite = nn.Linear(10, units), nn.Linear(units, 10)
            self.squeeze.weight.data.mul_(0.1)
            nn.init.constant_(self.squeeze.bias, bias)

        def forward(self, x: Tensor) -> Tensor:
            y = self.body(x)
            return self.head(y + y * torch.sigmoid(self.excite(torch.relu(self.squeeze(y)))))

    assert [cause.code for cause in judged(Gated()).causes] == found
