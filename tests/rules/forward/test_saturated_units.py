"""IH205: saturated tanh and sigmoid, because of their weights or their input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from inithealth.rules.forward.saturated_units import SaturatedUnits
from tests.rules.nets import codes, finding, fixed, judged, mlp, vectors, with_options
from tests.rules.recordings import judge, measured, recording, signal, stack


def xavier(activation: type[nn.Module] = nn.Tanh, hidden: int = 3) -> nn.Sequential:
    model = mlp(hidden, activation)
    for layer in model[::2]:
        nn.init.xavier_uniform_(layer.weight)
    return model


def test_saturation_that_trains_is_a_warning() -> None:
    model = xavier()
    model[0].weight.data.mul_(6.0)
    report = judged(model)
    found = finding(report, "IH205")
    assert found.severity == Severity.WARNING
    assert found.layers == ("0",)
    share = f"{found.measured:.0%}"
    assert found.message == f"layer 0: {share} of the tanh outputs are saturated (limit 50%)"
    assert found.measured is not None
    assert found.measured > 0.5
    assert found.limit == 0.5
    assert report.ok
    fixed(model, "IH205")


def test_a_large_input_saturates_correct_weights() -> None:
    """Xavier initialization would change nothing: the weights are scaled to their input."""
    model, batch = xavier(), vectors() * 6
    found = finding(judged(model, batch), "IH205")
    assert found.layers == ("0",)
    assert found.cause.startswith("the input of the tanh is too large: rms ")
    assert found.fix.startswith("model[0].weight.data.mul_(0.")
    fixed(model, "IH205", batch)


def test_several_layers_are_one_finding() -> None:
    model = mlp(4, nn.Tanh)
    for place in (0, 2, 4, 6):
        nn.init.normal_(model[place].weight)
    found = finding(judged(model), "IH205")
    assert set(found.layers) == {"0", "2", "4", "6"}
    assert found.message.startswith("layer 0 ... layer 6 (4 layers): up to ")


def test_a_sigmoid_saturates_too() -> None:
    model = xavier(nn.Sigmoid)
    model[0].weight.data.mul_(10.0)
    assert "of the sigmoid outputs are saturated" in finding(judged(model), "IH205").message


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.ReLU])
def test_healthy_networks_have_no_finding(activation: type[nn.Module]) -> None:
    assert "IH205" not in codes(judged(xavier(activation)))


def test_the_head_may_saturate() -> None:
    layers = stack()
    assert judge(SaturatedUnits, recording(layers, measured(layers, head={"saturated_share": 0.9}))) == []
    assert len(judge(SaturatedUnits, recording(layers, measured(layers, fc1={"saturated_share": 0.9})))) == 1


def test_the_worst_layer_is_first() -> None:
    layers = stack(fc1={"activation": "tanh"}, fc2={"activation": "sigmoid"})
    flat = measured(layers, fc1={"saturated_share": 0.6}, fc2={"saturated_share": 0.9})
    (found,) = judge(SaturatedUnits, recording(layers, flat))
    assert found.layers == ("fc2", "fc1")
    assert "up to 90% of the sigmoid and tanh outputs" in found.message
    assert (found.measured, found.limit) == (0.9, 0.5)


def test_the_option_changes_the_limit() -> None:
    model = xavier()
    model[0].weight.data.mul_(6.0)
    assert "IH205" not in codes(judged(model, **with_options("saturated-units", max_share=0.9)))
    assert "IH205" in codes(judged(xavier(), **with_options("saturated-units", max_share=0.001)))


def test_a_dominant_bias_is_the_cause_and_an_error() -> None:
    model = xavier()
    nn.init.constant_(model[2].bias, -20.0)
    report = judged(model)
    found = report.causes[0]
    assert (found.code, found.layers, found.severity) == ("IH205", ("2",), Severity.ERROR)
    assert found.cause.startswith("bias of mean -20 outweighs")
    assert found.fix == "nn.init.zeros_(model[2].bias)"
    assert [cause.code for cause in report.causes] == ["IH205"]
    fixed(model, "IH205")


def test_the_limit_of_a_dominant_bias_is_an_option() -> None:
    model = xavier()
    nn.init.constant_(model[2].bias, 2.5)
    assert not finding(judged(model), "IH205").cause.startswith("bias")
    settings = with_options("saturated-units", max_bias_rms=2.0, bias_dominance=1.5)
    assert finding(judged(model, **settings), "IH205").cause.startswith("bias")


@pytest.mark.parametrize("activation", [nn.Hardtanh, nn.Hardsigmoid])
def test_hard_versions_saturate_too(activation: type[nn.Module]) -> None:
    model = xavier(activation)
    model[0].weight.data.mul_(20.0)
    report = judged(model)
    found = finding(report, "IH205")
    assert found.layers == ("0",)
    assert f"of the {activation.__name__.lower()} outputs are saturated" in found.message
    assert "IH204" not in codes(report)  # each unit is on one side or the other
    assert "IH205" not in codes(judged(xavier(activation)))
    fixed(model, "IH205")


def test_a_relu6_saturates_at_its_maximum() -> None:
    model = mlp(3, nn.ReLU6)
    nn.init.constant_(model[2].bias, 7.0)
    found = finding(judged(model), "IH205")
    assert found.layers == ("2",)
    assert "IH205" not in codes(judged(mlp(3, nn.ReLU6)))


def test_edges_near_zero_do_not_show_a_wrong_scale() -> None:
    """With He initialization, half of a normal signal is beyond the edges of a hard tanh."""
    model = mlp(3, nn.Hardtanh)
    assert "IH205" not in codes(judged(model))
    found = finding(judged(model, **with_options("saturated-units", max_share=0.1, hard_std=1.0)), "IH205")
    assert found.limit == pytest.approx(0.317, abs=1e-3)


def flat(activation: str, share: float, parameters: tuple[float, ...] = (), **more: float) -> list[float | None]:
    layers = stack(fc1={"activation": activation, "activation_parameters": parameters})
    of = measured(layers, fc1={"saturated_share": share, "units": 64, "output": signal(50.0).model_dump(), **more})
    return [found.limit for found in judge(SaturatedUnits, recording(layers, of))]


def test_the_limit_depends_on_the_edges() -> None:
    assert flat("tanh", 0.51) == [0.5]
    assert flat("hardtanh", 0.73) == []
    assert flat("hardtanh", 0.75) == [pytest.approx(0.739, abs=1e-3)]
    assert flat("hardtanh", 0.55, (-2.0, 2.0)) == [pytest.approx(0.505, abs=1e-3)]
    assert flat("relu6", 0.51) == [0.5]
    assert flat("hardsigmoid", 0.51) == [0.5]


def test_units_beyond_an_edge_for_the_whole_batch_are_left_to_dead_units() -> None:
    assert flat("relu6", 0.97, dead_share=0.97, pinned_share=0.97) == []
    assert flat("relu6", 0.97, dead_share=0.5, pinned_share=0.5) == [0.5]


class Warped(nn.Module):
    """Classifies images sampled at positions that a layer sets: by an affine matrix, or by offsets."""

    def __init__(self, how: str, std: float) -> None:
        super().__init__()
        self.how = how
        self.body, self.place = nn.Linear(100, 16), nn.Linear(16, 6 if how == "affine" else 200)
        self.head = nn.Linear(100, 4)
        nn.init.normal_(self.place.weight, std=std)
        nn.init.zeros_(self.place.bias)
        if how == "affine":
            self.place.bias.data.copy_(torch.eye(2, 3).flatten())

    def forward(self, x: Tensor) -> Tensor:
        out = self.place(self.body(x).tanh())
        images = x.view(-1, 1, 10, 10)
        theta = out.view(-1, 2, 3) if self.how == "affine" else torch.eye(2, 3).expand(len(x), 2, 3)
        grid = nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
        grid = grid if self.how == "affine" else grid + out.view(-1, 10, 10, 2)
        return self.head(nn.functional.grid_sample(images, grid, align_corners=False).flatten(1))


@pytest.mark.parametrize("how", ["affine", "offsets"])
def test_sampling_points_outside_the_image(how: str) -> None:
    torch.manual_seed(0)
    model, batch = Warped(how, 2.0), torch.randn(32, 100)
    found = finding(judged(model, batch), "IH205")
    assert found.layers == ("place",)
    assert found.message.startswith("place: ")
    assert found.message.endswith("of the sampling points are outside the image (limit 50%)")
    exec(found.fix, {"model": model, "nn": nn})
    assert codes(judged(model, batch)) == []


@pytest.mark.parametrize("std", [0.0, 1e-5, 0.05])
@pytest.mark.parametrize("how", ["affine", "offsets"])
def test_transformations_near_the_identity_are_silent(how: str, std: float) -> None:
    torch.manual_seed(0)
    assert codes(judged(Warped(how, std), torch.randn(32, 100))) == []


@pytest.mark.parametrize(("share", "severity"), [(0.8, Severity.WARNING), (0.81, Severity.ERROR)])
def test_how_bad_it_is_to_sample_outside(share: float, severity: Severity) -> None:
    layers = stack(fc1={"steers": "offsets"}, fc2={"steers": "offsets"})
    of = recording(layers, measured(layers, fc1={"outside_share": 0.6}, fc2={"outside_share": share}))
    (found,) = judge(SaturatedUnits, of)
    assert (found.severity, found.layers, found.measured) == (severity, ("fc2", "fc1"), share)
    assert found.message.startswith(f"fc1, fc2: up to {share:.0%}")
    assert judge(SaturatedUnits, of, max_outside=0.9) == []


class Recurrence(nn.Module):
    """A bidirectional linear recurrence with one rate per channel, without a scan: all pairs of tokens."""

    def __init__(self, step: float, *, attends: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix, self.step, self.head = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.rate = nn.Parameter(torch.zeros(32))
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True) if attends else None
        nn.init.constant_(self.step.bias, step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = (F.softplus(self.step(x)) * self.rate.exp()).cumsum(1)
        kept = (-(total[:, :, None] - total[:, None]).abs()).exp()
        x = x + torch.einsum("bijc,bjc->bic", kept, self.mix(x))
        if self.attention is not None:
            x = x + self.attention(x, x, x)[0]
        output: torch.Tensor = self.head(x[:, -1])
        return output


SERIES = torch.randn(32, 16, 32, generator=torch.Generator().manual_seed(6))


def test_states_that_no_token_outlasts_are_found_and_fixed() -> None:
    model = Recurrence(0.5)
    found = finding(judged(model, SERIES), "IH205")
    assert (found.severity, found.role, found.layers) == (Severity.WARNING, "cause", ("step",))
    assert found.measured is not None
    assert found.measured < 0.1
    assert "last more than 4 tokens" in found.message
    assert fixed(model, "IH205", SERIES).ok


@pytest.mark.parametrize("build", [lambda: Recurrence(-3.0), lambda: Recurrence(0.5, attends=True)])
def test_other_states_have_no_finding(build: Any) -> None:
    assert "IH205" not in codes(judged(build(), SERIES))


def test_a_recurrent_network_with_gates_has_no_finding() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(32, 32, batch_first=True), nn.Linear(32, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.head(self.rnn(x)[0][:, -1])
            return output

    assert "IH205" not in codes(judged(Gated(), SERIES))
