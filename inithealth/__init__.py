"""Training health for PyTorch: bad initialization named before the first optimizer step."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inithealth.call import Call as Call
    from inithealth.findings import Finding as Finding
    from inithealth.findings import Report as Report
    from inithealth.findings import Severity as Severity
    from inithealth.findings import UnhealthyInit as UnhealthyInit
    from inithealth.integrations.lightning_callback import InitHealth as InitHealth
    from inithealth.rules import Rule as Rule
    from inithealth.sessions.initializing import Initialization as Initialization
    from inithealth.sessions.initializing import initialization as initialization
    from inithealth.sessions.monitor import Monitor as Monitor
    from inithealth.sessions.oneshot import check as check
    from inithealth.sessions.watching import watch as watch
    from inithealth.settings import Settings as Settings

__version__ = "0.1.0"

# Public names load when they are first used: `import inithealth` imports neither torch nor Lightning.
_HOME = {
    "Call": "call",
    "Finding": "findings",
    "InitHealth": "integrations.lightning_callback",
    "Initialization": "sessions.initializing",
    "Monitor": "sessions.monitor",
    "Report": "findings",
    "Rule": "rules",
    "Settings": "settings",
    "Severity": "findings",
    "UnhealthyInit": "findings",
    "check": "sessions.oneshot",
    "initialization": "sessions.initializing",
    "watch": "sessions.watching",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'inithealth' has no attribute {name!r}")
    value = getattr(import_module(f"inithealth.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
