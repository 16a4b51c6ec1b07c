"""Whether an alarm is right: longer trainings as it is and with the fix, over three seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .fixes import FIXES
from .run import Loop, Run
from .trial import train

STEPS, SEEDS = 300, (0, 1, 2)


def alarmed(entry: dict[str, Any] | None) -> bool:
    """Return whether a result has an alarm to judge."""
    return bool(entry and entry.get("alarms"))


def judged(run: Run | Loop, entry: dict[str, Any], steps: int = STEPS) -> dict[str, Any]:
    """Return the final loss of each training: the median over its last tenth."""
    fix = reported(entry["alarms"])
    as_it_is = [_final(run, steps, seed, None) for seed in SEEDS]
    fixed = [_final(run, steps, seed, fix) for seed in SEEDS] if fix is not None else []
    return {"steps": steps, "as_it_is": as_it_is, "fixed": fixed}


def reported(alarms: list[dict[str, Any]]) -> Callable[[Any, list[Any]], None] | None:
    """Return a function that applies the fixes of the report: its code, else what its words say; None without any."""
    codes = [code for alarm in alarms if (code := _compiled(alarm["fix"])) is not None]
    words = {alarm["code"] for alarm in alarms if _compiled(alarm["fix"]) is None} & FIXES.keys()

    def fix(model: Any, optimizers: list[Any]) -> None:
        names = {"model": model, "nn": nn, "torch": torch, "optimizer": optimizers[0]}
        with torch.no_grad():
            for code in codes:
                exec(code, names)
        for word in words:
            FIXES[word](model, optimizers)

    return fix if codes or words else None


def _compiled(text: str) -> Any:
    try:
        return compile(text, "<fix>", "exec") if text else None
    except SyntaxError:  # advice in words
        return None


def _final(run: Run | Loop, steps: int, seed: int, fix: Any) -> float:
    losses = train(run, steps, watched=False, fix=fix, seed=seed).losses
    return statistics.median(losses[-max(1, steps // 10) :])
