"""Methods of lightning-uq-box around a small regression network."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning_uq_box.uq_methods import BNN_VI_ELBO_Regression, MVERegression
from torch import nn
from torch.utils.data import DataLoader

from .run import Run, fitted


def runs() -> list[Run]:
    """Return a Bayesian network with variational inference, and the estimation of mean and variance."""
    home = "lightning.pytorch"
    return [
        Run("lightning-uq-box/BNN_VI_ELBO_Regression", fitted(home, _bayesian, _Data), kind="variational inference"),
        Run("lightning-uq-box/MVERegression", fitted(home, _mean_variance, _Data)),
    ]


def _bayesian() -> Any:
    return BNN_VI_ELBO_Regression(_network(1), nn.MSELoss(), burnin_epochs=2)


def _mean_variance() -> Any:
    return MVERegression(_network(2), burnin_epochs=2)


def _network(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, outputs))


class _Data(LightningDataModule):
    """The methods read the size of the data from a data module."""

    def train_dataloader(self) -> Any:
        draws = torch.Generator().manual_seed(0)
        inputs = torch.randn(256, 4, generator=draws)
        targets = torch.sin(inputs[:, :1]) + 0.1 * torch.randn(256, 1, generator=draws)
        items = [{"input": x, "target": y} for x, y in zip(inputs, targets, strict=True)]
        return DataLoader(items, batch_size=32, shuffle=True)
