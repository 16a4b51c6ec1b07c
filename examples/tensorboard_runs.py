"""Writes runs for TensorBoard's tab "Init Health": a 48-layer net and a GPT, each healthy and unhealthy, 200 steps."""

import argparse
import math
import sysconfig
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.utils.tensorboard import SummaryWriter

import inithealth

LAYERS, WIDTH, HEADS, BLOCKS, CONTEXT = 48, 64, 4, 6, 32
SMALL = range(20, 26)  # layers of the unhealthy net whose weights are ten times too small


def deep_net(*, healthy: bool) -> nn.Module:
    net = nn.Sequential()
    for number in range(LAYERS):
        linear = nn.Linear(WIDTH, WIDTH)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        if number in SMALL and not healthy:
            linear.weight.data.mul_(0.1)
        net.append(nn.Sequential(linear, nn.ReLU()))
    return net.append(nn.Linear(WIDTH, 10))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention_in, self.attention_out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp_in, self.mlp_out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.attention_in(self.attention_norm(x)).unflatten(-1, (3, HEADS, -1)).transpose(1, 3)
        attention = scaled_dot_product_attention(*heads.unbind(2), is_causal=True)
        x = x + self.attention_out(attention.transpose(1, 2).flatten(-2))
        return x + self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x))))


class GPT(nn.Module):
    def __init__(self, *, healthy: bool) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(128, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(BLOCKS))), nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:  # the unhealthy one has normal_() without std=0.02
                std = 0.02 / math.sqrt(2 * BLOCKS) if "_out" in name else 0.02
                nn.init.normal_(parameter, std=std if healthy else 1.0)

    def forward(self, text: Tensor) -> Tensor:
        x = self.characters(text) + self.places.weight
        return self.norm(self.blocks(x)) @ self.characters.weight.T


def vectors(centers: Tensor) -> tuple[Tensor, Tensor]:
    labels = torch.randint(len(centers), (64,))
    return centers[labels] + torch.randn(64, WIDTH), labels


def characters(text: Tensor) -> tuple[Tensor, Tensor]:
    starts = torch.randint(len(text) - CONTEXT, (8,)).tolist()
    rows = torch.stack([text[start : start + CONTEXT + 1] for start in starts])
    return rows[:, :-1], rows[:, 1:].flatten()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--logdir", type=Path, default="runs")
    options = parser.parse_args()
    text = Path(sysconfig.get_path("stdlib"), "argparse.py").read_bytes().decode("ascii", "ignore")
    codes = torch.tensor([ord(letter) for letter in text])
    centers = torch.randn(10, WIDTH)
    for name, build, draw, data in (("net", deep_net, vectors, centers), ("gpt", GPT, characters, codes)):
        for health in ("healthy", "unhealthy"):
            torch.manual_seed(0)
            model = build(healthy=health == "healthy")
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            with (
                SummaryWriter(str(options.logdir / f"{name}_{health}")) as writer,
                inithealth.watch(model, optimizer=optimizer, writer=writer, schedule="every", verbose=False) as monitor,
            ):
                for _ in range(options.steps):
                    inputs, targets = draw(data)
                    optimizer.zero_grad()
                    loss = cross_entropy(model(inputs).flatten(0, -2), targets)
                    loss.backward()
                    monitor.step(loss)
                    optimizer.step()
            print(f"{name}_{health}: {monitor.report.summary()}")
    print(f"tensorboard --logdir {options.logdir}")


if __name__ == "__main__":
    main()
