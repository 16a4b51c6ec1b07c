"""The libraries and the modules that train their models."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from .run import Loop, Run

MODULES = {  # name in the package registry -> module of this package
    "pytorch-forecasting": "forecasting",
    "scvi-tools": "cells",
    "neuralforecast": "neural",
    "lightly": "views",
    "gluonts": "probabilistic",
    "darts": "series",
    "chemprop": "molecules",
    "pytorch-tabular": "tabular",
    "pina-mathlab": "physics",
    "deeptab": "deep_tabular",
    "lightning-uq-box": "uncertain",
    "rl4co": "routes",
    "plain": "loops",
}


def runs_of(library: str) -> tuple[Run | Loop, ...]:
    """Return the runs of a library. Raises ImportError if it is not installed."""
    runs: Callable[[], list[Run | Loop]] = import_module(f".{MODULES[library]}", __package__).runs
    return tuple(runs())
