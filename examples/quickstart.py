"""A small GPT learns to write Python from the standard library's own source: once as it should be, once with a bug.

The bug shipped (huggingface/transformers#143): what draws the linear layers' weights draws the LayerNorms' too, near
0 instead of 1. The first loss does not tell: it is a perfect log(100) = 4.61.
"""

import argparse
import logging
import string
import sys
import sysconfig
import warnings
from pathlib import Path
from statistics import fmean

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from inithealth import InitHealth

WIDTH, HEADS, BLOCKS, CONTEXT, CHARACTERS = 64, 4, 4, 64, string.printable


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention_in, self.attention_out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp_in, self.mlp_out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.attention_in(self.attention_norm(x)).unflatten(-1, (3, HEADS, -1)).transpose(1, 3)
        attention = nn.functional.scaled_dot_product_attention(*heads.unbind(2), is_causal=True)
        x = x + self.attention_out(attention.transpose(1, 2).flatten(-2))
        return x + self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x))))


class GPT(pl.LightningModule):
    def __init__(self, *, with_bug: bool) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(len(CHARACTERS), WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(BLOCKS))), nn.LayerNorm(WIDTH)
        self.losses: list[float] = []
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:  # GPT-2's recipe: smaller where a residual branch ends
                nn.init.normal_(parameter, std=0.02 / (2 * BLOCKS) ** 0.5 if "_out" in name else 0.02)
            elif "norm" in name and with_bug:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def training_step(self, text: Tensor, batch_idx: int) -> Tensor:
        x = self.characters(text[:, :-1]) + self.places.weight
        logits = nn.functional.linear(self.norm(self.blocks(x)), self.characters.weight)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        self.losses.append(float(loss.detach()))
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def batches() -> DataLoader[Tensor]:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-d]*.py"))
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    numbers = torch.tensor([CHARACTERS.index(character) for character in text if character in CHARACTERS])
    return DataLoader(numbers.unfold(0, CONTEXT + 1, CONTEXT), batch_size=32, shuffle=True)


def train(name: str, steps: int, logger: TensorBoardLogger, *, with_bug: bool) -> None:
    print(f"\n=== {name} ===")
    torch.manual_seed(0)
    model, health = GPT(with_bug=with_bug), InitHealth()
    extras = {"enable_progress_bar": False, "enable_checkpointing": False, "log_every_n_steps": 10}
    pl.Trainer(max_steps=steps, accelerator="cpu", logger=logger, callbacks=[health], **extras).fit(model, batches())
    if health.report.ok:  # else the log has it, since before the first optimizer step
        print(health.report)
    print(f"\nLoss: {model.losses[0]:.2f} at first, {fmean(model.losses[-20:]):.2f} after {steps} steps.")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--logdir", default="runs")
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    for name in ("healthy", "norms-near-zero"):
        train(name, options.steps, TensorBoardLogger(options.logdir, name), with_bug=name != "healthy")
    print(f"\nSee both runs in TensorBoard:\n{Path(sys.executable).with_name('tensorboard')} --logdir {options.logdir}")


if __name__ == "__main__":
    main()
