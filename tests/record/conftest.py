"""One thread, and properties tried on the same examples in every run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("record", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("record")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Nets this small take ten times as long where several threads share them on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
