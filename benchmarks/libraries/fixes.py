"""Fixes for alarms whose fix is given in words: what a user who follows it would write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FIXES: dict[str, Callable[[Any, list[Any]], None]] = {}
