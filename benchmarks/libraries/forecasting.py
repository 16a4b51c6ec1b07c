"""Models of pytorch-forecasting, as its tutorials build them from a dataset."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pytorch_forecasting import DeepAR, NBeats, NHiTS, TemporalFusionTransformer, TimeSeriesDataSet

from .run import Run, fitted

_SERIES, _LENGTH = 4, 60


def runs() -> list[Run]:
    """Return the models, each with a data loader of its own dataset."""
    return [_run(TemporalFusionTransformer, "time"), _run(DeepAR, "time"), _run(NHiTS), _run(NBeats)]


def _run(kind: type[Any], *reals: str) -> Run:
    def model() -> Any:
        return kind.from_dataset(_data(*reals))

    loader = partial(_loader, *reals)
    return Run(f"pytorch-forecasting/{kind.__name__}", fitted("lightning.pytorch", model, loader))


def _loader(*reals: str) -> Any:
    return _data(*reals).to_dataloader(train=True, batch_size=32, num_workers=0)


def _data(*reals: str) -> TimeSeriesDataSet:
    return TimeSeriesDataSet(
        _frame(),
        time_idx="time",
        target="value",
        group_ids=["series"],
        max_encoder_length=24,
        max_prediction_length=6,
        time_varying_unknown_reals=["value"],
        **({"time_varying_known_reals": list(reals)} if reals else {}),
    )


def _frame() -> pd.DataFrame:
    random, time = np.random.default_rng(0), np.tile(np.arange(_LENGTH), _SERIES)
    series = np.repeat(np.arange(_SERIES), _LENGTH)
    value = 5 + np.sin(time / 4 + series) + 0.1 * random.standard_normal(len(time))
    return pd.DataFrame({"time": time, "series": series.astype(str), "value": value.astype(np.float32)})
