"""IH208: a first loss far above or below random guessing, wide logits, and a softmax applied twice."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Severity
from inithealth.recording import Loss, Recording, Step
from inithealth.rules.forward.loss_at_init import LossAtInit
from tests.record.reading import Written
from tests.rules.folding import explains
from tests.rules.nets import codes, cross_entropy, finding, fixed, judged, mlp, with_options
from tests.rules.recordings import judge, measured, recording, stack, weight


def test_a_head_twenty_times_too_large() -> None:
    model = mlp()
    model[8].weight.data.mul_(100.0)
    report = judged(model, select="IH208")
    found = finding(report, "IH208")
    assert (found.severity, found.layers) == (Severity.ERROR, ("8",))
    assert found.message.startswith("loss at init ")
    assert "guessing gives 2.3 (limit 23)" in found.message
    assert "the logits of layer 8 have std " in found.message
    assert found.message.endswith(" (limit 8)")
    assert found.limit == 8.0
    assert found.measured is not None
    assert found.measured > 50
    fixed(model, "IH208")


def test_a_healthy_loss_has_no_finding() -> None:
    assert "IH208" not in codes(judged(mlp()))


def test_softmax_twice() -> None:
    model = mlp().append(nn.Softmax(-1))
    found = finding(judged(model), "IH208")
    assert found.severity == Severity.ERROR
    assert found.layers == ("8",)
    assert "cross-entropy receives probabilities" in found.message
    assert found.fix.startswith("return the logits: remove the softmax")
    assert "IH208" not in codes(judged(model[:-1]))


def test_a_leaking_target_is_info() -> None:
    def loss(output: Tensor) -> Tensor:
        targets = torch.arange(64) % 10
        return F.cross_entropy(output + 20 * F.one_hot(targets, 10), targets)

    report = judged(mlp(), loss=loss, select="IH208")
    found = finding(report, "IH208")
    assert (found.severity, found.layers) == (Severity.INFO, ())
    assert found.message.endswith("; random guessing gives 2.3 (limit 1.15)")
    assert "leaks" in found.cause
    assert report.ok


@pytest.mark.parametrize("loss", [lambda output: output.square().mean(), None])
def test_other_losses_are_skipped_with_a_reason(loss: Any) -> None:
    report = judged(mlp(), loss=loss)
    (skipped,) = [each for each in report.skipped if each.code == "IH208"]
    assert skipped.reason.endswith("at initialization is not known")


def start(loss: float | None, logits_std: float = 1.0, classes: int = 10) -> Any:
    layers = stack()
    kind = Loss(kind="cross_entropy", classes=classes, logits_std=logits_std)
    return recording(layers, steps=(Step(index=0, loss=loss, layers=measured(layers)),), loss=kind)


@pytest.mark.parametrize(
    ("loss", "logits_std", "severity"),
    [
        (2.3, 1.0, None),
        (22.0, 5.0, None),
        (24.0, 5.0, Severity.WARNING),
        (2.3, 9.0, Severity.WARNING),
        (2.3, 31.0, Severity.ERROR),
        (1.1, 1.0, Severity.INFO),
        (None, 60.0, None),
        (float("nan"), 60.0, None),
    ],
)
def test_levels(loss: float | None, logits_std: float, severity: Severity | None) -> None:
    assert [each.severity for each in judge(LossAtInit, start(loss, logits_std))] == ([severity] if severity else [])


def test_measured_and_limit_belong_to_the_deviating_quantity() -> None:
    (found,) = judge(LossAtInit, start(24.0, 5.0))
    assert found.measured == 24.0
    assert found.limit == pytest.approx(23.03, abs=0.01)
    (found,) = judge(LossAtInit, start(2.3, 9.0))
    assert (found.measured, found.limit) == (9.0, 8.0)


def test_a_higher_loss_is_expected_with_more_classes() -> None:
    assert judge(LossAtInit, start(40.0, classes=50_000)) == []
    assert LossAtInit().skipped(start(2.3, classes=1)) is not None
    assert LossAtInit().skipped(start(2.3, classes=2)) is None


def test_the_fix_of_a_network_without_a_known_head_is_advice() -> None:
    made_up = start(100.0, 60.0).model_copy(update={"layers": ()})
    (found,) = judge(LossAtInit, made_up)
    assert found.layers == ()
    assert found.message.endswith("; the logits have std 60 (limit 8)")


def test_options() -> None:
    model = mlp()
    model[8].weight.data.mul_(4.0)
    assert "IH208" not in codes(judged(model))
    for options in ({"max_logits_std": 2.0}, {"max_ratio": 1.01}):
        assert "IH208" in codes(judged(model, **with_options("loss-at-init", **options)))
    assert judge(LossAtInit, start(2.3, 9.0), error_logits_std=8.5)[0].severity == Severity.ERROR
    assert judge(LossAtInit, start(1.1), min_ratio=0.3) == []


def detection(positives: float, over_base: float, loss: float) -> Recording:
    """Return a binary cross-entropy over many predictions with few positives."""
    kind = Loss(kind="bce_logits", positives=positives, over_base=over_base)
    layers = stack(head={"bias": weight("head.bias", 0.1, shape=(10,), fan_in=None, fan_out=None).model_dump()})
    return recording(layers, loss=kind, steps=(Step(index=0, loss=loss, layers=measured(layers)),))


def test_rare_positives_need_a_prior() -> None:
    """RetinaNet's bug: a bias of zero although one prediction in a thousand is positive."""
    (found,) = judge(LossAtInit, detection(0.001, 88.0, 150.0))
    assert (found.severity, found.layers) == (Severity.WARNING, ("head",))
    assert "the mean target is 0.001" in found.message
    assert found.fix == "nn.init.constant_(model.head.bias, -4.6)"
    for healthy in (detection(0.001, 1.9, 1.1), detection(0.001, 88.0, 0.69), detection(0.5, 1.0, 0.69)):
        assert judge(LossAtInit, healthy) == []


def test_rarity_and_distance_are_options() -> None:
    found = detection(0.001, 88.0, 150.0)
    assert judge(LossAtInit, found, max_positives=1e-4) == []
    assert judge(LossAtInit, found, max_over_base=100.0) == []


def test_the_targets_of_a_binary_cross_entropy_are_read() -> None:
    model = nn.Linear(8, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    targets = torch.zeros(1000, 1)
    targets[0] = 1.0
    loss = lambda out: 1000 * F.binary_cross_entropy_with_logits(out, targets)  # noqa: E731
    found = finding(judged(model, torch.randn(1000, 8), loss), "IH208")
    base = -0.001 * math.log(0.001) - 0.999 * math.log(0.999)
    assert f"{math.log(2) / base:.3g}x that of" in found.message


@pytest.mark.parametrize(
    ("loss", "logits_std", "severity"),
    [
        (10 * math.log(10), 8.0, None),
        (10.001 * math.log(10), 8.0, Severity.WARNING),
        (math.log(10), 8.01, Severity.WARNING),
        (math.log(10), 30.0, Severity.WARNING),
        (math.log(10), 30.1, Severity.ERROR),
        (0.5 * math.log(10), 1.0, None),
        (0.499 * math.log(10), 1.0, Severity.INFO),
    ],
)
def test_a_loss_at_the_limits_is_healthy(loss: float, logits_std: float, severity: Severity | None) -> None:
    assert [each.severity for each in judge(LossAtInit, start(loss, logits_std))] == ([severity] if severity else [])


def summed(value: float | None, whole: float, *, alone: bool = False) -> Recording:
    """Return a cross-entropy that is part of a loss."""
    kind = Loss(kind="cross_entropy", classes=10, logits_std=1.0, value=value, alone=alone)
    layers = stack()
    return recording(layers, steps=(Step(index=0, loss=whole, layers=measured(layers)),), loss=kind)


def test_a_cross_entropy_is_judged_without_added_terms() -> None:
    (found,) = judge(LossAtInit, summed(24.0, 2.3))
    assert found.measured == 24.0
    assert judge(LossAtInit, summed(2.3, 100.0)) == []
    assert judge(LossAtInit, summed(None, 100.0)) == []  # the cross-entropy's share of the loss is not known
    assert len(judge(LossAtInit, summed(None, 100.0, alone=True))) == 1


def test_a_high_loss_with_unknown_logits_is_an_error() -> None:
    unknown = start(24.0).model_copy(update={"loss": Loss(kind="cross_entropy", classes=10)})
    (found,) = judge(LossAtInit, unknown)
    assert (found.severity, found.measured) == (Severity.ERROR, 24.0)


def test_wide_logits_are_measured_rather_than_the_loss() -> None:
    (found,) = judge(LossAtInit, start(100.0, 9.0))
    assert (found.measured, found.limit, found.layers) == (9.0, 8.0, ("head",))
    assert "head" in found.fix
    (narrow,) = judge(LossAtInit, start(1.0))
    assert (narrow.measured, narrow.limit) == (1.0, pytest.approx(0.5 * math.log(10)))


def test_new_weights_are_not_the_fix_if_the_code_multiplies_the_logits() -> None:
    class Sharp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(3)

        def forward(self, x: Tensor) -> Tensor:
            return 100 * self.net(x)

    (found,) = judged(Sharp(), loss=cross_entropy).causes
    assert found.code == "IH208"
    assert found.fix.startswith("divide the logits by ")
    assert found.fix.endswith(": the outputs of net.6 are smaller by that factor")
    assert not found.operations


def test_the_last_of_several_heads_is_named() -> None:
    two = stack(fc3={"head": True})
    of = start(100.0, 60.0).model_copy(update={"layers": two})
    (found,) = judge(LossAtInit, of)
    assert found.layers == ("head",)
    twice = of.model_copy(update={"loss": Loss(kind="cross_entropy", classes=10, sums_to_one=True)})
    (found,) = judge(LossAtInit, twice)
    assert (found.layers, found.measured, found.severity) == (("head",), 100.0, Severity.ERROR)
    assert "head" in found.message
    (found,) = judge(LossAtInit, twice.model_copy(update={"layers": ()}))
    assert found.layers == ()


def test_a_low_loss_of_trained_weights_has_another_cause() -> None:
    (fresh,) = judge(LossAtInit, start(1.0))
    layers = stack(**{f"fc{place}": {"weight": {"spectral_edge": 1.8}} for place in range(4)})
    (trained,) = judge(LossAtInit, start(1.0).model_copy(update={"layers": layers}))
    assert trained.cause != fresh.cause
    assert trained.severity == fresh.severity == Severity.INFO


@pytest.mark.parametrize(
    ("positives", "over_base", "loss", "found"),
    [
        (0.01, 88.0, 150.0, 0),
        (0.0099, 88.0, 150.0, 1),
        (0.0, 88.0, 150.0, 1),
        (0.001, 10.0, 150.0, 0),
        (0.001, 10.1, 150.0, 1),
        (0.001, 88.0, 10 * math.log(2), 0),
        (0.001, 88.0, 10.001 * math.log(2), 1),
        (0.001, 88.0, math.nan, 0),
    ],
)
def test_no_prior_is_missing_at_the_limits(positives: float, over_base: float, loss: float, found: int) -> None:
    assert len(judge(LossAtInit, detection(positives, over_base, loss))) == found


@pytest.mark.parametrize(("positives", "bias"), [(1e-4, "-4.6"), (0.009, "-4.6"), (0.1, "-2.2"), (0.2, "-1.39")])
def test_the_prior_is_the_share_of_positives_but_at_least_a_hundredth(positives: float, bias: str) -> None:
    (found,) = judge(LossAtInit, detection(positives, 88.0, 150.0), max_positives=0.5)
    assert found.fix == f"nn.init.constant_(model.head.bias, {bias})"
    assert (found.measured, found.limit) == (150.0, pytest.approx(10 * math.log(2)))


def test_a_head_without_a_bias_needs_one() -> None:
    without = detection(0.001, 88.0, 150.0).model_copy(update={"layers": stack()})
    (found,) = judge(LossAtInit, without)
    assert "model." not in found.fix
    assert found.fix
    assert judge(LossAtInit, without.model_copy(update={"steps": ()})) == []


@pytest.mark.parametrize(
    ("loss", "judged"),
    [
        (Loss(kind="cross_entropy", classes=2), True),
        (Loss(kind="cross_entropy", classes=1), False),
        (Loss(kind="cross_entropy"), False),
        (Loss(kind="mse", classes=10), False),
        (Loss(kind="bce_logits", over_base=2.0), True),
        (Loss(kind="bce_logits"), False),
        (Loss(kind="mse", over_base=2.0), True),
        (Loss(kind="nll", source="layer"), True),
        (Loss(kind="nll"), False),
    ],
)
def test_which_losses_have_a_known_initial_value(loss: Loss, judged: bool) -> None:
    assert (LossAtInit().skipped(recording(loss=loss)) is None) is judged


def test_a_high_initial_loss_explains_later_failures() -> None:
    (found,) = judge(LossAtInit, start(100.0, 9.0))
    for code in ("IH203", "IH303", "IH402", "IH403", "IH404", "IH405", "IH406"):
        assert explains(LossAtInit, found, code, step=1)
    assert not explains(LossAtInit, found, "IH408", step=1)


class Heads(nn.Module):
    """A body with two heads, whose weights are scaled."""

    def __init__(self, first: float = 1.0, second: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(16, 64), nn.ReLU())
        self.classes, self.size = nn.Linear(64, 10), nn.Linear(64, 1)
        self.classes.weight.data.mul_(first)
        self.size.weight.data.mul_(second)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.classes(self.body(x)), self.size(self.body(x))


def alarms(model: nn.Module, loss: Any) -> list[Finding]:
    """The causes above info: a head that is not used is a note."""
    return [cause for cause in inithealth.check(model, SAMPLES, loss=loss).causes if cause.severity > Severity.INFO]


SEED = torch.Generator().manual_seed(0)
SAMPLES, SIZES = torch.randn(64, 16, generator=SEED), torch.randn(64, 1, generator=SEED)
LABELS = torch.arange(64) % 10


def objective(output: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(output[0], LABELS) + 0.5 * F.mse_loss(output[1], SIZES)


def test_each_loss_of_an_objective_is_judged_with_its_own_head() -> None:
    assert inithealth.check(Heads(), SAMPLES, loss=objective).causes == ()
    (cause,) = inithealth.check(Heads(second=100.0), SAMPLES, loss=objective).causes
    assert cause.layers == ("size",)
    (cause,) = inithealth.check(Heads(first=100.0), SAMPLES, loss=objective).causes
    assert cause.layers == ("classes",)


@pytest.mark.parametrize("loss", [F.mse_loss, F.smooth_l1_loss, F.huber_loss])
def test_predictions_far_larger_than_the_targets(loss: Any) -> None:
    (cause,) = alarms(Heads(second=100.0), lambda out: loss(out[1], 0.1 * SIZES))
    assert (cause.layers, cause.fix.count("size.weight")) == (("size",), 1)
    assert alarms(Heads(), lambda out: loss(out[1], SIZES)) == []
    assert alarms(Heads(), lambda out: loss(out[1], SIZES + 50.0)) == []


def test_a_bias_far_from_the_targets_is_set_to_zero() -> None:
    model = Heads()
    model.size.bias.data.fill_(-20.0)
    (cause,) = alarms(model, lambda out: F.mse_loss(out[1], SIZES))
    assert cause.fix == "nn.init.zeros_(model.size.bias)"


def test_embeddings_under_a_product_are_named_together() -> None:
    torch.manual_seed(0)
    model = Written(lambda net, i: (net.u(i) * net.v(i)).sum(-1), u=nn.Embedding(99, 64), v=nn.Embedding(99, 64))
    (cause,) = inithealth.check(model, torch.arange(99), loss=lambda out: F.mse_loss(out, torch.randn(99))).causes
    assert (cause.code, set(cause.layers)) == ("IH106", {"u", "v"})
    exec(cause.fix, {"model": model, "nn": nn})
    assert inithealth.check(model, torch.arange(99), loss=lambda out: F.mse_loss(out, torch.randn(99))).causes == ()


def test_the_rates_of_a_poisson_loss() -> None:
    counts = SIZES.abs().mul(2).round()
    (cause,) = alarms(Heads(second=30.0), lambda out: F.poisson_nll_loss(out[1], counts))
    assert (cause.code, cause.layers) == ("IH208", ("size",))
    assert alarms(Heads(), lambda out: F.poisson_nll_loss(out[1], counts)) == []


def test_a_single_unit_with_wide_logits() -> None:
    bits = (SIZES > 0).float()
    (cause,) = alarms(Heads(second=1000.0), lambda out: F.binary_cross_entropy_with_logits(out[1], bits))
    assert cause.layers == ("size",)


def test_predictions_without_large_weights_are_judged_by_their_size() -> None:
    """Healthy networks have predictions of seven times the targets; the head's weights are those of its scheme here."""

    def loss(factor: float) -> Any:
        return lambda out: F.mse_loss(out[1] * factor, 0.3 * SIZES)

    (cause,) = alarms(Heads(second=4.0), loss(10.0))
    assert (cause.code, cause.layers) == ("IH208", ("size",))
    assert alarms(Heads(second=4.0), loss(3.0)) == []


def test_a_loss_between_layers_has_no_start() -> None:
    """As that of a codebook, whose entries start small: its target is computed by the network."""
    torch.manual_seed(0)
    model = Written(lambda net, x: (net.code(net.read(x)), net.read(x)), read=nn.Linear(16, 8), code=nn.Linear(8, 4))
    target, entries = torch.randn(64, 4), 0.01 * torch.randn(64, 8)
    assert alarms(model, lambda out: F.mse_loss(out[0], target) + F.mse_loss(out[1], entries)) == []
    code = Written(lambda net, i: net.entries(i), entries=nn.Embedding(64, 8))
    found = inithealth.check(code, torch.arange(64), loss=lambda out: F.mse_loss(out, entries))
    assert "IH208" not in {finding.code for finding in found.findings}


@pytest.mark.parametrize("criterion", [F.l1_loss, lambda y, t: (3 * ((y - t) ** 2).sum(1)).mean()])
def test_composed_losses_name_a_head_that_is_too_large(criterion: Any) -> None:
    targets = torch.randn(64, 10, generator=torch.Generator().manual_seed(0))
    model = mlp()
    assert "IH208" not in codes(judged(model, loss=lambda output: criterion(output, targets)))
    model[8].weight.data.mul_(100.0)
    found = finding(judged(model, loss=lambda output: criterion(output, targets), select="IH208"), "IH208")
    assert (found.severity, found.layers) == (Severity.ERROR, ("8",))


def test_several_losses_of_one_head_are_one_finding() -> None:
    targets = torch.randn(64, 10, generator=torch.Generator().manual_seed(0)) - 2.0
    report = judged(
        mlp().append(nn.ReLU()), loss=lambda y: F.mse_loss(y, targets) + F.l1_loss(y, targets), select="IH208"
    )
    assert [each.layers for each in report.findings] == [("8",)]
