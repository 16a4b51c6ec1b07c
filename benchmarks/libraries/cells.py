"""Training plans of scvi-tools around its models of single-cell data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import scvi

from ..nets import Case, Net


def nets() -> list[Net]:
    """Return the plans: untrained ones with the arguments that ``train`` uses, and one after ``train``."""
    return [
        Net("scvi-tools/SCVI", "cells", _scvi),
        Net("scvi-tools/SCANVI", "cells", _scanvi),
        Net("scvi-tools/PEAKVI", "cells", _peakvi),
        Net("scvi-tools/TOTALVI", "cells", _totalvi),
        Net("scvi-tools/SCVI after train", "cells", _trained),
    ]


def _scvi() -> Case:
    return _case(_prepared(scvi.model.SCVI, batch_key="batch"), scvi.train.TrainingPlan)


def _scanvi() -> Case:
    labels = {"labels_key": "labels", "unlabeled_category": "label_0"}
    model = _prepared(scvi.model.SCANVI, **labels)
    return _case(model, lambda module: scvi.train.SemiSupervisedTrainingPlan(module, n_classes=2))


def _peakvi() -> Case:
    return _case(_prepared(scvi.model.PEAKVI, batch_key="batch"), scvi.train.AdversarialTrainingPlan)


def _totalvi() -> Case:
    model = _prepared(scvi.model.TOTALVI, protein_expression_obsm_key="protein_expression")
    return _case(model, scvi.train.AdversarialTrainingPlan)


def _trained() -> Case:
    model = _prepared(scvi.model.SCVI, batch_key="batch")
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    model.train(max_epochs=1, accelerator="cpu", **quiet)
    return _case(model, lambda module: model.trainer.lightning_module)


def _prepared(kind: type[Any], **keys: Any) -> Any:
    data = scvi.data.synthetic_iid(batch_size=64)
    kind.setup_anndata(data, **keys)
    return kind(data)


def _case(model: Any, plan: Callable[[Any], Any]) -> Case:
    batch = next(iter(model._make_data_loader(adata=model.adata, batch_size=64)))
    return Case(plan(model.module), batch)
