"""Writes pictures of the page to docs/images/gallery: two healthy networks and six faults, after 100 training steps.

pip install -e ".[browser]"
python -m benchmarks.gallery [--chromium PROGRAM] [NAME ...]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Browser, sync_playwright
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import inithealth
from examples.tensorboard_runs import CONTEXT, GPT, WIDTH, deep_net

FOLDER = Path(__file__).parents[1] / "docs/images/gallery"
STEPS, CLASSES = 100, 10
Batch = tuple[Tensor, Tensor]


class Residual(nn.Module):
    def __init__(self, read: int, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = (
            nn.Conv2d(read, width, 3, 2 if read != width else 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.skip = nn.Identity() if read == width else nn.Conv2d(read, width, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (self.skip(x) + branch).relu()


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.blocks = nn.Sequential(*(Residual(*pair) for pair in itertools.pairwise(widths)))
        self.head = nn.Linear(64, CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.norm(self.stem(x)).relu()).mean((2, 3)))


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [3] + [32] * 4 + [64] * 4
        self.layers = nn.Sequential()
        for read, width in itertools.pairwise(widths):
            conv = nn.Conv2d(read, width, 3, 2 if read != width and read > 3 else 1, 1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            self.layers.extend((conv, nn.ReLU()))
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).mean((2, 3)))


def vectors() -> Batch:
    labels = torch.randint(CLASSES, (64,))
    return torch.eye(CLASSES, WIDTH)[labels] * 4 + torch.randn(64, WIDTH), labels


def pictures() -> Batch:
    labels = torch.randint(CLASSES, (32,))
    return torch.randn(32, 3, 16, 16) + torch.linspace(-2, 2, CLASSES)[labels, None, None, None], labels


def text() -> Batch:
    letters = (torch.randint(128, (8, 1)) + 3 * torch.arange(CONTEXT + 1)) % 128
    return letters[:, :-1], letters[:, 1:].flatten()


def large_head() -> nn.Module:
    model = ResNet()
    model.head.weight.data.mul_(100)
    return model


def zero_conv() -> nn.Module:
    model = ConvNet()
    nn.init.zeros_(model.layers[6].weight)
    return model


def dead_units() -> nn.Module:
    model = ConvNet()
    nn.init.constant_(model.layers[6].bias, -10.0)
    return model


def constant() -> nn.Module:
    model = ConvNet()
    nn.init.constant_(model.layers[4].weight, 0.05)
    return model


RUNS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Batch]]] = {
    "healthy_resnet": (ResNet, pictures),
    "healthy_gpt": (lambda: GPT(healthy=True), text),
    "small_layers": (lambda: deep_net(healthy=False), vectors),
    "gpt_unit_normal": (lambda: GPT(healthy=False), text),
    "resnet_large_head": (large_head, pictures),
    "zero_conv": (zero_conv, pictures),
    "dead_units": (dead_units, pictures),
    "constant_weights": (constant, pictures),
}


def trained(build: Callable[[], nn.Module], draw: Callable[[], Batch]) -> inithealth.Report:
    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with inithealth.watch(model, optimizer=optimizer, schedule="every", verbose=False) as monitor:
        for _ in range(STEPS):
            inputs, targets = draw()
            optimizer.zero_grad()
            loss = cross_entropy(model(inputs).flatten(0, -2), targets)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.report


def photograph(browser: Browser, page_text: str, name: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720}, device_scale_factor=1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(page_text, encoding="utf-8")
        page.goto(file.as_uri())
        page.locator(".verdict").wait_for()
        page.wait_for_timeout(300)
        page.screenshot(path=FOLDER / f"{name}.png")
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(RUNS))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        for name in options.names:
            report = trained(*RUNS[name])
            photograph(browser, report.to_html(), name)
            print(f"{name}: {report.summary()}")


if __name__ == "__main__":
    main()
