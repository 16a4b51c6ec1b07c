"""Estimators of gluonts, which make their own Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from gluonts.dataset.common import ListDataset
from gluonts.torch import DeepAREstimator, SimpleFeedForwardEstimator

from .run import Run


def runs() -> list[Run]:
    """Return the estimators with their default sizes."""
    return [_run(SimpleFeedForwardEstimator), _run(DeepAREstimator, freq="D")]


def _run(kind: type[Any], **keys: str) -> Run:
    def fit(options: dict[str, Any]) -> None:
        kept = {**options, "enable_checkpointing": True}  # the estimator loads its best checkpoint
        kind(prediction_length=6, trainer_kwargs={**kept, "max_epochs": 100}, **keys).train(_series())

    return Run(f"gluonts/{kind.__name__}", fit)


def _series() -> ListDataset:
    random, time = np.random.default_rng(0), np.arange(200)
    values = [5 + np.sin(time / 4 + place) + 0.1 * random.standard_normal(200) for place in range(8)]
    return ListDataset([{"start": "2024-01-01", "target": value} for value in values], freq="D")
