"""What a copy or a pickle of the callback holds: libraries make them of Trainers that run."""

from __future__ import annotations

from typing import Any

from inithealth.integrations.report_file import ReportFile

_MODELS = ("log", "log_dict")  # Lightning gives callbacks these methods of the model: the model would be copied too


def copied_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a callback's copy: of a running one its settings alone, the copy is a fresh one."""
    kept = {name: value for name, value in state.items() if name not in _MODELS}
    if state["_monitor"] is not None:
        kept |= {"_monitor": None, "_report": None, "_loss": None, "_action": None, "_state": {}}
        kept["_file"] = ReportFile(state["report_path"], state["_log"])
    return kept
