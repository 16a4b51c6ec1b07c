"""Message passing networks of chemprop on small molecules with random targets."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from chemprop.data import MoleculeDatapoint, MoleculeDataset, build_dataloader
from chemprop.models import MPNN
from chemprop.nn import AtomMessagePassing, BinaryClassificationFFN, BondMessagePassing, MeanAggregation, RegressionFFN

from .run import Run, fitted

_SMILES = "C CC CCC CCO CCN c1ccccc1 CC(=O)O CC(C)C CCOC CCCl CCBr OCCO NCCN c1ccncc1 CC#N C=CC".split()


def runs() -> list[Run]:
    """Return a regression with messages between bonds, and a classification with messages between atoms."""
    home = "lightning.pytorch"
    return [
        Run("chemprop/MPNN, regression", fitted(home, _regression, partial(_loader, 1.0))),
        Run("chemprop/MPNN, classification", fitted(home, _classification, partial(_loader, 0.0))),
    ]


def _regression() -> MPNN:
    return MPNN(BondMessagePassing(), MeanAggregation(), RegressionFFN())


def _classification() -> MPNN:
    return MPNN(AtomMessagePassing(), MeanAggregation(), BinaryClassificationFFN(), batch_norm=True)


def _loader(continuous: float) -> Any:
    """Return the molecules with their number of characters as target, or whether they contain oxygen."""
    random, points = np.random.default_rng(0), []
    for smiles in 8 * _SMILES:
        target = 0.3 * len(smiles) + 0.1 * random.standard_normal() if continuous else float("O" in smiles)
        points.append(MoleculeDatapoint.from_smi(smiles, np.array([target])))
    return build_dataloader(MoleculeDataset(points), batch_size=16, num_workers=0)
