"""Models of darts, which makes its own Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from darts import TimeSeries
from darts.models import TCNModel, TiDEModel

from .run import Run


def runs() -> list[Run]:
    """Return the models with their default sizes."""
    return [_run(TCNModel), _run(TiDEModel)]


def _run(kind: type[Any]) -> Run:
    def fit(options: dict[str, Any]) -> None:
        model = kind(input_chunk_length=24, output_chunk_length=6, n_epochs=200, pl_trainer_kwargs=options)
        model.fit(_series())

    return Run(f"darts/{kind.__name__}", fit, "pytorch_lightning")


def _series() -> list[TimeSeries]:
    random, time = np.random.default_rng(0), np.arange(200)
    values = [5 + np.sin(time / 4 + place) + 0.1 * random.standard_normal(200) for place in range(4)]
    return [TimeSeries.from_values(value.astype(np.float32)) for value in values]
