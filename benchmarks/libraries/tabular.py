"""Models of pytorch-tabular, which makes its own Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pytorch_tabular import TabularModel
from pytorch_tabular.config import DataConfig, OptimizerConfig, TrainerConfig
from pytorch_tabular.models import CategoryEmbeddingModelConfig, FTTransformerConfig

from .run import Run

_NUMBERS = ["a", "b", "c", "d"]


def runs() -> list[Run]:
    """Return the models with their default sizes."""
    return [_run(CategoryEmbeddingModelConfig), _run(FTTransformerConfig)]


def _run(kind: type[Any]) -> Run:
    def fit(options: dict[str, Any]) -> None:
        own = ("callbacks", "logger", "accelerator", "enable_progress_bar", "enable_checkpointing")
        rest = {name: value for name, value in options.items() if name not in own}
        plain = {"checkpoints": None, "load_best": False, "early_stopping": None, "progress_bar": "none"}
        model = TabularModel(
            data_config=DataConfig(target=["label"], continuous_cols=_NUMBERS, categorical_cols=["kind"]),
            model_config=kind(task="classification"),
            optimizer_config=OptimizerConfig(),
            trainer_config=TrainerConfig(
                batch_size=64,
                max_epochs=200,
                accelerator="cpu",
                trainer_kwargs={**rest, "num_sanity_val_steps": 0},
                **plain,
            ),
            verbose=False,
        )
        model.logger = options["logger"]
        model.fit(train=_frame(), callbacks=options["callbacks"])

    return Run(f"pytorch-tabular/{kind.__name__.removesuffix('Config')}", fit, "pytorch_lightning")


def _frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.standard_normal((512, 4)), columns=_NUMBERS)
    frame["kind"] = random.choice(list("xyz"), 512)
    frame["label"] = (frame["a"] * frame["b"] + (frame["kind"] == "x") > 0.3).astype(int)
    return frame
