"""Trains a small GPT three times: with a bug (normal_ without std=0.02), with the fix applied, and without the bug."""

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
            if parameter.ndim == 2:  # GPT-2's initialization: smaller at the end of a residual branch
                std = 0.02 / (2 * BLOCKS) ** 0.5 if "_out" in name else 0.02
                nn.init.normal_(parameter, std=1.0 if with_bug else std)

    def training_step(self, text: Tensor, batch_idx: int) -> Tensor:
        x = self.characters(text[:, :-1]) + self.places.weight
        logits = self.norm(self.blocks(x)) @ self.characters.weight.T
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def batches() -> DataLoader[Tensor]:
    text = "".join(file.read_text("utf-8") for file in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-d]*.py")))
    numbers = torch.tensor([CHARACTERS.index(character) for character in text if character in CHARACTERS])
    return DataLoader(numbers.unfold(0, CONTEXT + 1, CONTEXT), batch_size=32, shuffle=True)


def train(model: GPT, logger: TensorBoardLogger, steps: int) -> str:
    """Train, with the verdict printed before the first optimizer step, and return the lines of the fix."""
    health = InitHealth()
    quiet = dict.fromkeys(("enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    trainer = pl.Trainer(max_steps=steps, accelerator="cpu", logger=logger, callbacks=[health], **quiet)
    trainer.fit(model, batches())
    return "\n".join(cause.fix for cause in health.report.failures)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--logdir", default="runs")
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    print(f"{__doc__}\nThe text is Python's standard library; {options.steps} steps each, about a minute on two cores.")
    shown = [step for step in (1, 25, 50, 100, 150) if step <= options.steps]
    fix, curves = "", "\nloss at step   " + "".join(f"{step:>7}" for step in shown)
    for run in ("with the bug", "with the fix", "without the bug"):
        print(f"\n=== {run} ===", flush=True)
        torch.manual_seed(0)
        model = GPT(with_bug=run != "without the bug")
        if run == "with the fix":
            print(fix)
            exec(fix, {"model": model, "nn": nn})
        fix = train(model, TensorBoardLogger(options.logdir, run.replace(" ", "-")), options.steps)
        curves += f"\n{run:15}" + "".join(f"{fmean(model.losses[max(0, step - 10) : step]):7.2f}" for step in shown)
    tensorboard = f"{Path(sys.executable).with_name('tensorboard')} --logdir {options.logdir}"
    print(f"{curves}\n\nThe three runs are in TensorBoard's tab Init Health:\n{tensorboard}")


if __name__ == "__main__":
    main()
