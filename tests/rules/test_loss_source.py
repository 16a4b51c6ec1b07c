"""What a loss receives instead of logits, in networks as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Severity

X, LABELS = torch.randn(64, 16), torch.arange(64) % 10
BITS = F.one_hot(LABELS, 10).float()
Criterion = Callable[[Tensor, Tensor], Tensor]


class Capped(nn.Module):
    """Logits between minus and plus a number."""

    def __init__(self, cap: float) -> None:
        super().__init__()
        self.cap = cap

    def forward(self, x: Tensor) -> Tensor:
        return self.cap * torch.tanh(x / self.cap)


def network(last: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 10), *([last] if last else []))


def found(last: nn.Module | None, criterion: Criterion, target: Tensor) -> list[Finding]:
    report = inithealth.check(network(last), (X, target), loss=criterion)
    return [finding for finding in report.findings if finding.code == "IH208"]


@pytest.mark.parametrize(
    ("last", "severity"),
    [
        (nn.ReLU(), Severity.WARNING),
        (nn.ReLU6(), Severity.WARNING),
        (nn.Hardtanh(), Severity.WARNING),
        (nn.Sigmoid(), Severity.ERROR),
        (nn.Hardsigmoid(), Severity.ERROR),
        (nn.Softmax(-1), Severity.ERROR),
        (nn.Tanh(), Severity.INFO),
    ],
)
def test_an_activation_before_cross_entropy(last: nn.Module, severity: Severity) -> None:
    (finding,) = found(last, F.cross_entropy, LABELS)
    assert (finding.severity, finding.layers) == (severity, ("2",))
    assert "remove the" in finding.fix


@pytest.mark.parametrize(
    ("last", "severity"),
    [
        (nn.ReLU(), Severity.ERROR),
        (nn.Softplus(), Severity.ERROR),
        (nn.Sigmoid(), Severity.ERROR),
        (nn.Softmax(-1), Severity.ERROR),
        (nn.Hardtanh(), Severity.ERROR),
        (nn.Tanh(), Severity.ERROR),
    ],
)
def test_an_activation_before_binary_cross_entropy(last: nn.Module, severity: Severity) -> None:
    (finding,) = found(last, F.binary_cross_entropy_with_logits, BITS)
    assert (finding.severity, finding.layers) == (severity, ("2",))


@pytest.mark.parametrize("criterion", [F.cross_entropy, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize(
    "last", [None, nn.LeakyReLU(), nn.GELU(), Capped(30.0), nn.Hardtanh(-20.0, 20.0), nn.LogSoftmax(-1)]
)
def test_logits_in_use(last: nn.Module | None, criterion: Criterion) -> None:
    target = LABELS if criterion is F.cross_entropy else BITS
    assert found(last, criterion, target) == []


def test_averaged_maps_after_a_relu_are_in_use() -> None:
    """As SqueezeNet has them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert inithealth.check(model, (torch.randn(64, 3, 8, 8), LABELS), loss=F.cross_entropy).findings == ()


@pytest.mark.parametrize(
    ("last", "what"), [(None, "logits"), (nn.Softmax(-1), "probabilities"), (nn.ReLU(), "the output of relu")]
)
def test_a_likelihood_without_a_logarithm(last: nn.Module | None, what: str) -> None:
    (finding,) = found(last, F.nll_loss, LABELS)
    assert finding.severity == Severity.ERROR
    assert f"receives {what}, but expects log-probabilities" in finding.message


def test_log_probabilities_of_any_form() -> None:
    assert found(nn.LogSoftmax(-1), F.nll_loss, LABELS) == []
    assert found(nn.Softmax(-1), lambda p, y: F.nll_loss(p.log(), y), LABELS) == []
    assert found(None, lambda z, y: F.nll_loss(z - z.logsumexp(1, keepdim=True), y), LABELS) == []


def test_options() -> None:
    report = inithealth.check(
        network(nn.Sigmoid()),
        (X, LABELS),
        loss=F.cross_entropy,
        settings={"rules": {"loss-at-init": {"error_lowest": 0.7}}},
    )
    assert [finding.severity for finding in report.causes] == [Severity.WARNING]


def written_squares(output: Tensor, target: Tensor) -> Tensor:
    """A loss as variational autoencoders have it: summed over the features, with a factor and a penalty."""
    return (5 * ((output - target) ** 2).sum(1) + 0.01 * (output**2).sum(1)).mean()


def written_distances(output: Tensor, target: Tensor) -> Tensor:
    return (target - output).abs().sum() / len(output)


@pytest.mark.parametrize(
    "criterion", [F.mse_loss, F.smooth_l1_loss, F.huber_loss, F.l1_loss, written_squares, written_distances]
)
@pytest.mark.parametrize(
    ("last", "targets", "severity"),
    [
        (nn.ReLU(), lambda t: t, Severity.WARNING),
        (nn.ReLU(), lambda t: t - 1.0, Severity.ERROR),
        (nn.Softplus(), lambda t: t, Severity.WARNING),
        (nn.Sigmoid(), lambda t: 3 * t, Severity.ERROR),
        (nn.Tanh(), lambda t: 3 * t, Severity.WARNING),
        (nn.ReLU(), lambda t: t.abs(), None),
        (nn.ReLU(), lambda t: t + 2.0, None),
        (nn.Sigmoid(), lambda t: t.sigmoid(), None),
        (nn.Tanh(), lambda t: t.tanh(), None),
        (nn.LeakyReLU(), lambda t: t, None),
        (Capped(30.0), lambda t: 3 * t, None),
        (None, lambda t: 50 * t, None),
    ],
)
def test_targets_outside_the_range_of_the_last_activation(
    last: nn.Module | None, targets: Callable[[Tensor], Tensor], severity: Severity | None, criterion: Criterion
) -> None:
    target = targets(torch.randn(64, 10, generator=torch.Generator().manual_seed(0)))
    alarms = [finding for finding in found(last, criterion, target) if finding.severity > Severity.INFO]
    if severity is None:
        assert alarms == []
    else:
        assert alarms[0].layers == ("2",)
        assert "targets are outside" in alarms[0].message
        assert alarms[0].severity in (severity, Severity.ERROR)


@pytest.mark.parametrize(
    "criterion", [F.mse_loss, lambda y, x: F.mse_loss(x, y), written_squares, F.l1_loss, lambda y, x: F.l1_loss(x, y)]
)
def test_an_autoencoder_whose_targets_are_its_inputs(criterion: Criterion) -> None:
    class Autoencoder(nn.Module):
        def __init__(self, last: nn.Module) -> None:
            super().__init__()
            self.encoder, self.decoder, self.last = nn.Linear(16, 8), nn.Linear(8, 16), last

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.last(self.decoder(torch.tanh(self.encoder(x)))), x

    def reconstruction(output: tuple[Tensor, Tensor]) -> Tensor:
        return criterion(*output)

    torch.manual_seed(0)
    report = inithealth.check(Autoencoder(nn.ReLU()), X, loss=reconstruction)
    assert [finding.layers for finding in report.findings if finding.code == "IH208"] == [("decoder",)]
    report = inithealth.check(Autoencoder(nn.Identity()), X, loss=reconstruction)
    assert [finding for finding in report.findings if finding.code == "IH208"] == []


class Links(nn.Module):
    """The logits of links: products of two embeddings, or their distance from a learned threshold."""

    def __init__(self, last: nn.Module, *, threshold: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.last = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32)), last
        self.threshold = nn.Parameter(torch.tensor(1.0)) if threshold else None

    def forward(self, x: Tensor) -> Tensor:
        embedded = self.last(self.body(x))
        products = (embedded[:32] * embedded[32:]).sum(1)
        return products if self.threshold is None else products - self.threshold


@pytest.mark.parametrize("last", [nn.ReLU(), nn.Softplus()])
def test_products_of_embeddings_that_are_never_negative(last: nn.Module) -> None:
    linked = (torch.arange(32) % 4 == 0).float()
    report = inithealth.check(Links(last), (X, linked), loss=F.binary_cross_entropy_with_logits)
    (finding,) = [each for each in report.findings if each.code == "IH208"]
    assert (finding.severity, finding.layers) == (Severity.ERROR, ("body.2",))
    assert "no predicted probability is below a half" in finding.cause


@pytest.mark.parametrize("model", [Links(nn.Identity()), Links(nn.Tanh()), Links(nn.ReLU(), threshold=True)])
def test_products_of_embeddings_that_may_be_negative(model: nn.Module) -> None:
    linked = (torch.arange(32) % 4 == 0).float()
    report = inithealth.check(model, (X, linked), loss=F.binary_cross_entropy_with_logits)
    assert [each for each in report.findings if each.code == "IH208"] == []


def test_products_that_are_never_negative_before_cross_entropy() -> None:
    """A softmax compares logits: all of them may be positive."""

    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output.relu() @ output.relu().T / 8, torch.arange(64).roll(1))

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64))
    assert [each for each in inithealth.check(model, X, loss=loss).findings if each.code == "IH208"] == []
