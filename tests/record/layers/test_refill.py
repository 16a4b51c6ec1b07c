"""The method that fills a buffer: it writes the buffer and needs no arguments."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.layers.refill import refill


class Rotary(nn.Module):
    inv_freq: Tensor
    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("inv_freq", torch.ones(4))
        self.register_buffer("table", torch.ones(4))
        self.register_buffer("scale", torch.ones(4))
        self.register_buffer("resized", torch.ones(4))
        self.unregistered = 0

    def angles(self) -> Tensor:
        return self.inv_freq * 2.0

    def reset_table(self, length: int = 4) -> None:
        self.table.copy_(torch.arange(length) * self.inv_freq)

    def register(self) -> None:
        self.register_buffer("scale", torch.ones(4))

    def resize(self, length: int) -> None:
        self.resized = torch.ones(length)


class Assigned(Rotary):
    def reset(self, **options: int) -> None:
        self.inv_freq = torch.ones(4)


class WithData(Rotary):
    def reset(self) -> None:
        self.inv_freq.data[:] = torch.ones(4)


@pytest.mark.parametrize(
    ("kind", "buffer", "expected"),
    [
        (Rotary, "table", "reset_table"),
        (Rotary, "scale", "register"),
        (Rotary, "inv_freq", ""),  # read, not written
        (Rotary, "resized", ""),  # an argument is required
        (Assigned, "inv_freq", "reset"),
        (WithData, "inv_freq", "reset"),
    ],
)
def test_the_method_that_writes_the_buffer(kind: type[nn.Module], buffer: str, expected: str) -> None:
    assert refill(kind(), buffer) == expected
