"""The first steps of a ``transformers.Trainer``, watched through its callbacks.

    pip install transformers accelerate
    python examples/transformers_trainer.py [--steps 30] [--logdir runs]

A small GPT-2 with random weights is trained on the source of the standard library, byte by byte.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import textwrap
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

import inithealth


class Watch(TrainerCallback):
    """Watches the training of the Trainer. The report is available from the first step on."""

    def __init__(self, logdir: str) -> None:
        self.monitor: inithealth.Monitor | None = None
        self.writer = SummaryWriter(logdir)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        optimizer = kwargs["optimizer"].optimizer
        self.monitor = inithealth.watch(kwargs["model"], optimizer=optimizer, writer=self.writer).__enter__()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.monitor is not None:
            self.monitor.step()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.monitor is not None:
            self.monitor.close()
            self.writer.close()
            print(self.monitor.report)


def windows(length: int = 64) -> list[dict[str, torch.Tensor]]:
    text = inspect.getsource(textwrap) + inspect.getsource(inspect)
    tokens = torch.tensor(list(text.encode()[: 512 * length])).view(-1, length)
    return [{"input_ids": row, "labels": row} for row in tokens]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--logdir", default="runs")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=256, n_positions=64, n_embd=64, n_layer=2, n_head=4))
    watch = Watch(options.logdir)
    arguments = TrainingArguments(
        options.logdir,
        max_steps=options.steps,
        per_device_train_batch_size=16,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    Trainer(model, arguments, train_dataset=windows(), callbacks=[watch]).train()
    return 0 if watch.monitor is not None and watch.monitor.report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
