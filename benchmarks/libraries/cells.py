"""Models of scvi-tools for single-cell data, trained with their own ``train``."""

from __future__ import annotations

from functools import cache
from typing import Any

import scvi
import torch

from .run import Run


def runs() -> list[Run]:
    """Return the models; those with an adversary use manual optimization with two optimizers."""
    _data()  # here, because drawing it changes the random state of the first twin
    labels = {"labels_key": "labels", "unlabeled_category": "label_0"}
    proteins = {"protein_expression_obsm_key": "protein_expression", "batch_key": "batch"}
    adversary = "manual optimization, two optimizers"
    return [
        _run(scvi.model.SCVI, batch_key="batch"),
        _run(scvi.model.SCANVI, **labels),
        _run(scvi.model.PEAKVI, batch_key="batch"),
        _run(scvi.model.TOTALVI, kind=adversary, **proteins),
    ]


def _run(model: type[Any], *, kind: str = "", **keys: str) -> Run:
    def fit(options: dict[str, Any]) -> None:
        scvi.settings.seed = torch.initial_seed() % 2**31  # it splits the data; without it, each training differs
        data = _data().copy()
        model.setup_anndata(data, **keys)
        model(data).train(max_epochs=1000, batch_size=64, **options)

    return Run(f"scvi-tools/{model.__name__}", fit, kind=kind)


@cache
def _data() -> Any:
    return scvi.data.synthetic_iid(batch_size=128)
