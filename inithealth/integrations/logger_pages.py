"""The page of a run as an artifact of the Lightning loggers that keep files: Weights & Biases, MLflow."""

from __future__ import annotations

import sys
from typing import Any

from inithealth.findings import Report

_FILE = "init_health.html"  # name of MLflow's artifact


def log_page(logger: Any, report: Report) -> bool:
    """Log the page of a report. Returns whether the logger keeps files.

    Raises:
        Exception: an error of the logger, unchanged.
    """
    kinds = {kind.__name__ for kind in type(logger).__mro__}
    if "WandbLogger" in kinds and "wandb" in sys.modules:
        from inithealth.tensorboard.scalars import GROUP

        # Without injection: the page has its own styles, and its policy blocks scripts that are added.
        page = sys.modules["wandb"].Html(report.to_html(), inject=False)
        logger.experiment.log({f"{GROUP}page": page})
        return True
    if "MLFlowLogger" in kinds:
        logger.experiment.log_text(logger.run_id, report.to_html(), _FILE)
        return True
    return False
