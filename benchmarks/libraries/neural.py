"""Models of neuralforecast, which makes its own Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM, NHITS, PatchTST

from .run import Run

_SERIES, _LENGTH = 4, 60


def runs() -> list[Run]:
    """Return the models with their default sizes."""
    return [_run(NHITS), _run(LSTM), _run(PatchTST)]


def _run(kind: type[Any]) -> Run:
    def fit(options: dict[str, Any]) -> None:
        NeuralForecast([kind(h=6, input_size=24, max_steps=1000, **options)], freq="D").fit(_frame())

    return Run(f"neuralforecast/{kind.__name__}", fit, "pytorch_lightning")


def _frame() -> pd.DataFrame:
    random, time = np.random.default_rng(0), np.tile(np.arange(_LENGTH), _SERIES)
    series = np.repeat(np.arange(_SERIES), _LENGTH)
    value = 5 + np.sin(time / 4 + series) + 0.1 * random.standard_normal(len(time))
    days = pd.date_range("2024-01-01", periods=_LENGTH, freq="D")
    return pd.DataFrame({"unique_id": series, "ds": np.tile(days, _SERIES), "y": value})
