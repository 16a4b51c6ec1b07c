"""Models whose parameters have memory only in the forward pass, as in offloading: reading it would end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys

import torch
from torch import nn

import inithealth

KIND, RUN = sys.argv[1:]


class Offloading(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 600), nn.Linear(500, 4)
        full = torch.randn(500, 600) / 25
        if KIND == "buffer":
            self.register_buffer("big", full)
        else:
            self.big = nn.Parameter(full, requires_grad=KIND != "frozen")
        if KIND == "suspects":
            nn.init.zeros_(self.last.weight)
        self.stored = [full.clone()]
        if KIND != "full at first":
            self.big.untyped_storage().resize_(0)

    def forward(self, x):
        self.big.untyped_storage().resize_(1_200_000)
        with torch.no_grad():
            self.big.copy_(self.stored[0])
        hidden = self.first(x)
        if KIND == "detached":
            output = self.last(hidden[:, :500] * self.big.detach().mean())
        else:
            output = self.last(nn.functional.linear(hidden, self.big.clone()))
        self.big.untyped_storage().resize_(0)
        return output


model, batch = Offloading(), torch.randn(16, 8)
size = model.big.untyped_storage().nbytes()
if RUN == "check":
    report = inithealth.check(model, batch)
    assert model.big.untyped_storage().nbytes() == size
else:
    with inithealth.watch(model) as monitor:
        for _ in range(3):
            loss = model(batch).square().mean()
            loss.backward()
            monitor.step(loss)
    report = monitor.report
assert [layer.name for layer in report.layers] == ["first", "last"], report.layers
print(*report.not_measured)
"""


@pytest.mark.slow
@pytest.mark.parametrize("run", ["check", "watch"])
@pytest.mark.parametrize("kind", ["trained", "frozen", "buffer", "detached", "suspects", "full at first"])
def test_memory_that_is_freed_is_not_read(kind: str, run: str) -> None:
    command = [sys.executable, "-c", SCRIPT, kind, run]
    found = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=200)
    assert found.returncode == 0, found.stderr
    missing = [] if kind == "buffer" else ["big: its memory is freed outside of the forward pass"]
    assert found.stdout.splitlines()[-1:] == (missing or [""])
