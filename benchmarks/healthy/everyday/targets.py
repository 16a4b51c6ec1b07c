"""Healthy networks with several outputs per sample: quantiles, survival, several tasks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

NUMBERS = 10
QUANTILES = (0.1, 0.5, 0.9)


class SharedBottom(nn.Module):
    """One trunk with a head per task; the tasks' uncertainties are learned, too."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(NUMBERS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.heads = nn.ModuleDict(
            {"price": nn.Linear(width, 1), "kind": nn.Linear(width, 4), "sold": self.deep(width)}
        )
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in self.heads})

    @staticmethod
    def deep(width: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        shared = self.trunk(x)
        return {name: (head(shared), self.log_variances[name]) for name, head in self.heads.items()}


def quantile_regression() -> Case:
    """The pinball loss of three quantiles."""
    inputs, target = draws.measured(128, NUMBERS)
    model = nn.Sequential(nn.Linear(NUMBERS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    levels = torch.tensor(QUANTILES)

    def pinball(output: Tensor) -> Tensor:
        error = target - output
        return torch.maximum(levels * error, (levels - 1) * error).sum(1).mean()

    return Case(model, inputs, pinball)


def events(count: int = 128) -> tuple[Tensor, Tensor, Tensor]:
    """Return covariates, durations with a hazard that depends on them, and whether the event was observed."""
    covariates = torch.randn(count, NUMBERS, generator=draws.fresh())
    waited = -torch.rand(count, generator=draws.fresh()).clamp(min=1e-6).log()
    duration = waited * (-1.5 * draws.scores(covariates, 1)[:, 0]).exp()
    return covariates, duration.clamp(max=2.0), (duration < 2.0).float()


def cox_survival() -> Case:
    """DeepSurv: a self-normalizing MLP with Cox's partial likelihood."""
    covariates, duration, seen = events()
    model = nn.Sequential(
        nn.Linear(NUMBERS, 32), nn.BatchNorm1d(32), nn.SELU(), nn.Dropout(0.1),
        nn.Linear(32, 32), nn.BatchNorm1d(32), nn.SELU(), nn.Dropout(0.1), nn.Linear(32, 1, bias=False),
    )  # fmt: skip
    order = duration.argsort(descending=True)

    def partial_likelihood(risk: Tensor) -> Tensor:
        ordered = risk[order, 0]
        return -((ordered - ordered.logcumsumexp(0)) * seen[order]).sum() / seen.sum()

    return Case(model, covariates, partial_likelihood)


def discrete_survival() -> Case:
    """A logit of the hazard for each of ten intervals."""
    covariates, duration, seen = events()
    model = nn.Sequential(nn.Linear(NUMBERS, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10))
    interval = (duration * 5).long().clamp(max=9)[:, None]
    lived = (torch.arange(10) <= interval).float()
    hit = (torch.arange(10) == interval).float() * seen[:, None]
    loss = nn.BCEWithLogitsLoss(weight=lived, reduction="sum")
    return Case(model, covariates, lambda logits: loss(logits, hit) / len(hit))


def multi_task() -> Case:
    inputs, target = draws.measured(64, NUMBERS, 6)
    kind, sold = target[:, 1:5].argmax(1), (target[:, 5] > 0).float()

    def loss(output: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        tasks = {
            "price": F.mse_loss(output["price"][0], target[:, :1]),
            "kind": F.cross_entropy(output["kind"][0], kind),
            "sold": F.binary_cross_entropy_with_logits(output["sold"][0].squeeze(1), sold),
        }
        return sum((task * (-output[name][1]).exp() + output[name][1] for name, task in tasks.items()), torch.zeros(()))

    return Case(SharedBottom(), inputs, loss)


NETS: tuple[Net, ...] = (
    Net("everyday/quantile_regression", "quantile regression", quantile_regression),
    Net("everyday/cox_survival", "survival", cox_survival),
    Net("everyday/discrete_survival", "survival", discrete_survival),
    Net("everyday/multi_task", "multi task", multi_task),
)
