"""The state of a copy or a pickle of the callback: some libraries copy a running Trainer."""

from __future__ import annotations

from typing import Any

from inithealth.integrations.manual_steps import StepLoss
from inithealth.integrations.report_file import ReportFile

_MODELS = ("log", "log_dict")  # model methods that Lightning assigns to callbacks: a copy would include the model


def copied_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a callback's copy; of a running callback, only the settings."""
    kept = {name: value for name, value in state.items() if name not in _MODELS}
    if state["_monitor"] is not None:
        kept |= {"_monitor": None, "_plain": None, "_report": None, "_loss": StepLoss(), "_action": None, "_state": {}}
        kept["_file"] = ReportFile(state["report_path"], state["_log"])
    return kept
