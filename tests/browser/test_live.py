"""A run that is still training."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import inithealth
from tests.browser.tab import Tab


def test_new_steps_arrive_and_the_view_stays(tab: Tab, logs: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with (
        SummaryWriter(str(logs / "live"), flush_secs=1) as writer,
        inithealth.watch(model, optimizer=optimizer, writer=writer, schedule="every", verbose=False) as monitor,
    ):

        def train(steps: int) -> None:
            for _ in range(steps):
                optimizer.zero_grad()
                loss = model(torch.randn(16, 8)).square().mean()
                loss.backward()
                monitor.step(loss)
                optimizer.step()
            writer.flush()

        train(10)  # the last step is complete when the next one begins: its updates are known then
        frame = tab.live("live")
        frame.get_by_text("steps 0 to 8").wait_for()
        tab.name("2").click()
        frame.locator(".search input").fill("0")
        train(5)
        frame.get_by_text("steps 0 to 13").wait_for()
    assert frame.locator(".details h2").inner_text() == "layer 2"
    assert frame.locator(".search input").input_value() == "0"
