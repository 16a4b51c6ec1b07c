"""Regressors of deeptab, which make their own Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from deeptab.models import MambularRegressor, TabMRegressor

from .run import Run


def runs() -> list[Run]:
    """Return the models with their default sizes."""
    return [_run(MambularRegressor), _run(TabMRegressor)]


def _run(kind: type[Any]) -> Run:
    def fit(options: dict[str, Any]) -> None:
        random = np.random.default_rng(0)
        frame = pd.DataFrame(random.standard_normal((256, 4)), columns=list("abcd"))
        target = (frame["a"] * frame["b"] + frame["c"]).to_numpy()
        # Its own checkpoint of the best epoch needs checkpointing and a folder.
        kept = {
            name: value for name, value in options.items() if name not in ("enable_checkpointing", "default_root_dir")
        }
        folder = options["default_root_dir"]
        kind().fit(frame, target, max_epochs=200, batch_size=32, checkpoint_path=folder, **kept)

    return Run(f"deeptab/{kind.__name__}", fit)
