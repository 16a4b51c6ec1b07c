"""Every test starts with the same random state and uses one thread.

Small networks take ten times as long if several threads share a busy machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

torch.manual_seed(0)  # for tensors that test modules draw when they are imported


def pytest_runtest_setup() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
