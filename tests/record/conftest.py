"""Hypothesis uses the same examples in every run."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

settings.register_profile("record", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("record")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
