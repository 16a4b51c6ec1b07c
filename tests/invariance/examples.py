"""The number of random examples of each property."""

from __future__ import annotations

from hypothesis import Phase, settings

# Shrinking and explaining run a failing network dozens of times, and a smaller seed is not simpler.
few = settings(derandomize=True, max_examples=2, deadline=None, phases=[Phase.generate])
