"""Models of neuralforecast, which detaches the Trainer after ``fit``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM, NHITS, TFT, PatchTST
from neuralforecast.tsdataset import TimeSeriesDataModule

from ..nets import Case, Net

_SERIES, _LENGTH = 4, 60
_QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}


def nets() -> list[Net]:
    """Return the models after two steps of training."""
    kinds: list[tuple[type[Any], dict[str, Any]]] = [
        (NHITS, {"mlp_units": 3 * [[16, 16]]}),
        (TFT, {"hidden_size": 8}),
        (LSTM, {"encoder_hidden_size": 16, "decoder_hidden_size": 16}),
        (PatchTST, {"hidden_size": 16, "linear_hidden_size": 16, "n_heads": 2}),
    ]
    return [
        Net(f"neuralforecast/{kind.__name__} after fit", "forecast", lambda kind=kind, opts=opts: _case(kind, opts))
        for kind, opts in kinds
    ]


def _case(kind: type[Any], options: dict[str, Any]) -> Case:
    fitted = NeuralForecast([kind(h=6, input_size=24, max_steps=2, **_QUIET, **options)], freq="D")
    fitted.fit(_frame())
    data = TimeSeriesDataModule(fitted.dataset, batch_size=4)
    data.setup("fit")
    return Case(fitted.models[0], next(iter(data.train_dataloader())))


def _frame() -> pd.DataFrame:
    random, time = np.random.default_rng(0), np.tile(np.arange(_LENGTH), _SERIES)
    series = np.repeat(np.arange(_SERIES), _LENGTH)
    value = 5 + np.sin(time / 4 + series) + 0.1 * random.standard_normal(len(time))
    days = pd.date_range("2024-01-01", periods=_LENGTH, freq="D")
    return pd.DataFrame({"unique_id": series, "ds": np.tile(days, _SERIES), "y": value})
