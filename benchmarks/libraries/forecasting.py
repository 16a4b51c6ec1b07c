"""Models of pytorch-forecasting, as its tutorials build them from a dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pytorch_forecasting import DeepAR, NBeats, NHiTS, RecurrentNetwork, TemporalFusionTransformer, TimeSeriesDataSet

from ..nets import Case, Net

_SERIES, _LENGTH = 4, 60


def nets() -> list[Net]:
    """Return the models, untrained, each with a batch of its own data loader."""
    kinds: list[tuple[type[Any], dict[str, Any]]] = [
        (TemporalFusionTransformer, {"hidden_size": 8, "attention_head_size": 2}),
        (NHiTS, {"hidden_size": 16}),
        (NBeats, {"widths": [16, 64]}),
        (DeepAR, {"hidden_size": 16, "rnn_layers": 2}),
        (RecurrentNetwork, {"hidden_size": 16}),
    ]
    return [
        Net(f"pytorch-forecasting/{kind.__name__}", "forecast", lambda kind=kind, options=options: _case(kind, options))
        for kind, options in kinds
    ]


def _case(kind: type[Any], options: dict[str, Any]) -> Case:
    covariates = {"time_varying_known_reals": ["time"]} if kind in (TemporalFusionTransformer, DeepAR) else {}
    data = TimeSeriesDataSet(
        _frame(),
        time_idx="time",
        target="value",
        group_ids=["series"],
        max_encoder_length=24,
        max_prediction_length=6,
        time_varying_unknown_reals=["value"],
        **covariates,
    )
    model = kind.from_dataset(data, learning_rate=0.01, **options)
    return Case(model, next(iter(data.to_dataloader(train=True, batch_size=32, num_workers=0))))


def _frame() -> pd.DataFrame:
    random, time = np.random.default_rng(0), np.tile(np.arange(_LENGTH), _SERIES)
    series = np.repeat(np.arange(_SERIES), _LENGTH)
    value = 5 + np.sin(time / 4 + series) + 0.1 * random.standard_normal(len(time))
    return pd.DataFrame({"time": time, "series": series.astype(str), "value": value.astype(np.float32)})
