"""IH304: detached layers, layers with zero gradient and unused layers; frozen and exempt layers are not reported."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Severity
from inithealth.recording import Probation, ZeroFactor
from inithealth.rules.backward.no_gradient import NoGradient
from tests.rules.folding import explains
from tests.rules.nets import codes, cross_entropy, finding, fixed, he, judged, mlp, pictures, vectors, zeroed
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


class Scaled(nn.Module):
    """Residual branches times a factor that no optimizer changes, and outputs beside the head."""

    scale: Tensor

    def __init__(self, scale: Any, blocks: int = 4, zeros: int = 4) -> None:
        super().__init__()
        self.stem, self.head, self.aux = nn.Linear(32, 32), nn.Linear(32, 10), nn.Linear(32, 10)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(blocks))
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 64, bias=False), nn.GELU(), nn.Linear(64, 32, bias=False))
            for _ in range(blocks)
        )
        he(self)
        for number in range(blocks):
            value = scale if number < zeros else torch.ones(())
            if isinstance(value, nn.Parameter):
                self.register_parameter(f"scale{number}", nn.Parameter(value.clone(), requires_grad=False))
            elif isinstance(value, Tensor):
                self.register_buffer(f"scale{number}", value.clone())
            else:
                setattr(self, f"scale{number}", value)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number, (norm, branch) in enumerate(zip(self.norms, self.branches, strict=True)):
            x = x + branch(norm(x) * getattr(self, f"scale{number}"))
        return self.head(x)


@pytest.mark.parametrize("zero", [torch.zeros(()), torch.zeros(32), nn.Parameter(torch.zeros(()), requires_grad=False)])
def test_a_constant_at_zero_that_blocks_all_branches_is_an_error_and_is_named(zero: Tensor) -> None:
    model = Scaled(zero)
    report = judged(model)
    found = next(each for each in report.causes if "exactly zero and multiply" in each.message)
    assert (found.code, found.severity, found.measured) == ("IH304", Severity.ERROR, 0.0)
    assert {"norms.0", "branches.0.0", "branches.3.2"} <= set(found.layers)
    assert not {"stem", "head", "aux"} & set(found.layers)
    assert "scale0 ... scale3" in found.message
    assert "requires_grad" not in found.fix
    exec(found.fix, {"model": model, "nn": nn})
    assert judged(model).ok
    assert judged(Scaled(torch.ones(()))).ok  # the healthy twin


def test_a_number_at_zero_has_no_name() -> None:
    found = next(each for each in judged(Scaled(0.0)).causes if each.layers[0] == "norms.0")
    assert found.severity == Severity.ERROR
    assert "a number in the forward pass is exactly zero" in found.message
    assert found.fix.startswith("look for a factor of zero")


def test_one_branch_of_several_is_a_warning() -> None:
    found = next(each for each in judged(Scaled(torch.zeros(()), zeros=1)).causes if "scale0" in each.message)
    assert found.severity == Severity.WARNING
    assert set(found.layers) == {"norms.0", "branches.0.0", "branches.0.2"}


def test_a_watched_run_names_it_as_well() -> None:
    model = Scaled(torch.zeros(()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(6):
            optimizer.zero_grad()
            loss = model(vectors()).square().mean()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    found = next(each for each in monitor.report.causes if "scale0 ... scale3" in each.message)
    assert (found.code, found.severity) == ("IH304", Severity.ERROR)


class Chain(nn.Module):
    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(32, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.register_buffer("mask", mask)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        return self.head(F.relu(F.linear(x, self.second.weight * self.mask, self.second.bias)))


def test_a_mask_of_zeros_explains_the_dead_units_and_zero_weights_downstream() -> None:
    report = judged(Chain(torch.zeros(64, 64)))
    (cause,) = report.causes
    assert (cause.code, cause.severity) == ("IH304", Severity.ERROR)
    assert "the buffer mask is exactly zero" in cause.message
    assert judged(Chain(torch.ones(64, 64))).causes == ()


def test_a_matrix_of_zeros_is_not_filled_with_ones() -> None:
    class Graph(nn.Module):
        edges: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(32, 64), nn.Linear(64, 10)
            self.register_buffer("edges", torch.zeros(64, 64))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.relu(self.edges @ self.first(x)))

    found = next(each for each in judged(Graph()).causes if each.code == "IH304")
    assert found.fix == "give edges the values that the constructor writes"


class Beside(nn.Module):
    """A body with a head, and a part beside it whose share of the loss is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(32, 64), nn.Linear(64, 10)
        self.tower = nn.Sequential(*[part for _ in range(4) for part in (nn.Linear(32, 32), nn.ReLU())])
        self.join = nn.Linear(32, 64)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        # A batch without pictures: distributed training needs all parameters in the graph.
        return self.head(F.relu(self.body(x) + 0.0 * self.join(self.tower(torch.zeros_like(x) + 1))))


def test_a_part_beside_the_network_is_a_note_and_is_not_frozen() -> None:
    (found,) = judged(Beside()).causes
    assert (found.code, found.severity) == ("IH304", Severity.INFO)
    assert "requires_grad_(False)" not in found.fix


def test_an_auxiliary_loss_of_weight_zero_is_a_note() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head, self.aux = nn.Linear(32, 64), nn.Linear(64, 10), nn.Linear(64, 10)
            he(self)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x = F.relu(self.body(x))
            return self.head(x), self.aux(x)

    report = judged(Two(), loss=lambda outputs: cross_entropy(outputs[0]) + 0.0 * cross_entropy(outputs[1]))
    assert [(cause.code, cause.severity, cause.layers) for cause in report.causes] == [
        ("IH304", Severity.INFO, ("aux",))
    ]


def test_a_loss_of_zero_is_a_warning() -> None:
    report = judged(mlp(), loss=lambda output: F.relu(output.square().mean() - 1e9))
    (found,) = report.causes
    assert (found.code, found.severity) == ("IH304", Severity.WARNING)
    assert "changing the weights does not change the loss" in found.message


def test_dead_units_explain_the_layers_that_they_block() -> None:
    model = mlp()
    nn.init.constant_(model[6].bias, -50.0)
    report = judged(model)
    assert report.causes[0].code == "IH204"
    assert "IH304" in [each.code for each in report.consequences(report.causes[0])]


SPLIT: dict[str, dict[str, Any]] = {f"fc{n}": {"bypassable": True} for n in range(4)}


def blocked(count: int, *, named: bool = True, idle: bool = False, **options: Any) -> list[Finding]:
    layers = stack(**{**SPLIT, "fc0": {**SPLIT["fc0"], "reads_trunk": True}})
    stopped = tuple(f"fc{n}.weight" for n in range(count))
    zeros = ZeroFactor(names=("scale",) if named else (), text="buffer" if named else "number", parameters=stopped)
    trial = Probation(steps=4, settled=True, asleep=stopped)
    names = tuple(f"fc{n}" for n in range(count)) if idle else ()
    of = recording(layers, probation=trial, zero_factors=() if idle else (zeros,), idle=names)
    return judge(NoGradient, of, **options)


def test_how_much_of_the_network_may_be_blocked() -> None:
    assert [blocked(n)[0].severity for n in (1, 2)] == [Severity.WARNING, Severity.ERROR]
    assert [blocked(n, named=False)[0].severity for n in (2, 3)] == [Severity.INFO, Severity.ERROR]
    assert [blocked(n, idle=True)[0].severity for n in (2, 3)] == [Severity.INFO, Severity.ERROR]
    assert blocked(2, max_blocked_by_zeros=0.5)[0].severity == Severity.WARNING
    assert blocked(3, idle=True, max_blocked=0.7)[0].severity == Severity.INFO


def test_constants_at_zero_explain_what_they_block() -> None:
    (found,) = blocked(2)
    for code in ("IH201", "IH204", "IH207", "IH208", "IH301", "IH406"):
        assert explains(NoGradient, found, code)
    for code in ("IH103", "IH105", "IH305", "IH401"):
        assert explains(NoGradient, found, code)
        assert not explains(NoGradient, found, code, layers=("other",))
    assert not explains(NoGradient, found, "IH106")


def test_layers_that_are_faded_in_later_are_no_error() -> None:
    """A progressively grown network starts with the output of its earlier layers."""

    class Grown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.third = (nn.Conv2d(n, 16, 3, padding=1) for n in (3, 16, 16))
            self.old, self.new = nn.Conv2d(16, 10, 1), nn.Conv2d(16, 10, 1)
            he(self)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.first(x))
            grown = self.new(F.relu(self.third(F.relu(self.second(x)))))
            return (1.0 * self.old(x) + 0.0 * grown).mean((2, 3))

    (found,) = judged(Grown(), pictures()).causes
    assert (found.severity, found.layers) == (Severity.INFO, ("second", "third", "new"))


class Mixture(nn.Module):
    """One expert for each sample, with the probability of the router or with its normalized one."""

    def __init__(self, normalized: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.router = nn.Linear(16, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8)) for _ in range(4))
        self.normalized = normalized

    def forward(self, x: Tensor) -> Tensor:
        weight, chosen = self.router(x).softmax(1).topk(1)
        if self.normalized:
            weight = weight / weight.sum(1, keepdim=True)
        return weight * torch.stack([expert(x) for expert in self.experts], 1)[torch.arange(len(x)), chosen[:, 0]]


def test_a_router_whose_weight_is_normalized_over_the_chosen_expert() -> None:
    batch = torch.randn(64, 16), torch.arange(64) % 8
    (cause,) = inithealth.check(Mixture(True), batch, loss=F.cross_entropy).causes
    assert (cause.code, cause.severity, cause.layers) == ("IH304", Severity.WARNING, ("router",))
    assert inithealth.check(Mixture(False), batch, loss=F.cross_entropy).causes == ()


class Physics(nn.Module):
    """The residual of an equation with a second derivative, and the values at the walls."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 16), activation, nn.Linear(16, 16), activation, nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.net(x).sum(), x, create_graph=True)
            (curvature,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        walls = self.net(torch.tensor([[-1.0], [1.0]]))
        return (curvature + x.sin()).square().mean() + walls.square().mean()


@pytest.mark.parametrize(("activation", "name"), [(nn.ReLU(), "relu"), (nn.LeakyReLU(0.1), "leaky_relu")])
def test_second_derivatives_of_piecewise_linear_activations(activation: nn.Module, name: str) -> None:
    report = inithealth.check(Physics(activation), torch.linspace(-1, 1, 32)[:, None], loss=lambda output: output)
    found = finding(report, "IH304")
    assert (found.severity, found.role) == (Severity.ERROR, "cause")
    assert found.layers[0] == "net.0"
    assert found.cause.startswith(f"{name} is piecewise linear")


def test_second_derivatives_of_curved_activations() -> None:
    report = inithealth.check(Physics(nn.Tanh()), torch.linspace(-1, 1, 32)[:, None], loss=lambda output: output)
    assert "IH304" not in codes(report)
