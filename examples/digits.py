"""Trains a small convolutional network on scikit-learn's 8 x 8 digits, watched from the first step.

    python examples/digits.py

Needs scikit-learn.
"""

import argparse
import logging
import warnings

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

from inithealth import InitHealth


class ConvNet(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.Conv2d(1, 16, 3, padding=1)
        self.strokes = nn.Conv2d(16, 32, 3, padding=1)
        self.head = nn.Linear(32 * 4 * 4, 10)
        for conv in (self.edges, self.strokes):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.edges(images))
        x = F.max_pool2d(F.relu(self.strokes(x)), 2)
        return self.head(x.flatten(1))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        images, digits = batch
        loss = F.cross_entropy(self(images), digits)
        self.log("loss", loss)
        return loss

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        images, digits = batch
        self.log("accuracy", (self(images).argmax(1) == digits).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--logdir", default="runs")
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")

    torch.manual_seed(0)
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16  # ink from 0 to 1
    train, test = random_split(TensorDataset(images, torch.tensor(data.target)), [0.8, 0.2])

    health = InitHealth()
    trainer = pl.Trainer(
        max_steps=options.steps,
        max_epochs=-1,
        accelerator="cpu",
        callbacks=[health],
        logger=TensorBoardLogger(options.logdir, "digits"),
        log_every_n_steps=10,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    model = ConvNet()
    trainer.fit(model, DataLoader(train, batch_size=64, shuffle=True))
    [result] = trainer.test(model, DataLoader(test, batch_size=len(test)), verbose=False)
    print(f"{health.report}\nAccuracy on unseen digits: {result['accuracy']:.1%}")


if __name__ == "__main__":
    main()
