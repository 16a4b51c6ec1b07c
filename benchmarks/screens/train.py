"""Trains a network for eight steps with InitHealth, in the current terminal.

    python benchmarks/screens/train.py {cnn,transformer,resnet} FAULT {warn,stop,raise} {tqdm,rich}

FAULT is none, layer (one layer is too large), zeros (one layer is zero), normal (all weights are drawn from N(0, 1)) or
gains (normalization weights are drawn from N(0, 0.02)).
"""

from __future__ import annotations

import logging
import sys
import warnings
from itertools import pairwise

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import RichProgressBar, TQDMProgressBar
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from inithealth import InitHealth

CLASSES, STEPS, BATCH = 10, 8, 16


class Classifier(pl.LightningModule):
    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        inputs, labels = batch
        loss = F.cross_entropy(self(inputs), labels)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


class CNN(Classifier):
    one_layer, factor = "convs.2", 100

    def __init__(self) -> None:
        super().__init__()
        sizes = pairwise((3, 16, 32, 64, 64))
        self.convs = nn.ModuleList(nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in sizes)
        self.classifier = nn.Linear(64, CLASSES)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.max_pool2d(F.relu(conv(x)), 2)
        return self.classifier(x.mean((-1, -2)))


class TransformerBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(self.ln_1(x)).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        attention = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attn_proj(attention.transpose(1, 2).flatten(-2))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x))))


class Transformer(Classifier):
    one_layer, factor = "blocks.20.fc", 30

    def __init__(self, blocks: int = 48, width: int = 64) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(100, width), nn.Embedding(16, width)
        self.blocks = nn.ModuleList(TransformerBlock(width) for _ in range(blocks))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02 / (2 * blocks) ** 0.5 if "proj" in name else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln(x)[:, -1])


class ResNetBlock(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        stride = 1 if inputs == width else 2
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class ResNet(Classifier):
    """A ResNet with 100 layers: 99 convolutions, two of them in shortcuts, and the classifier."""

    one_layer, factor = "blocks.20.conv1", 30

    def __init__(self) -> None:
        super().__init__()
        widths = [16] * 17 + [32] * 16 + [64] * 16
        self.stem, self.bn = nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0])
        self.blocks = nn.Sequential(*(ResNetBlock(*pair) for pair in pairwise(widths)))
        self.classifier = nn.Linear(widths[-1], CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.blocks(F.relu(self.bn(self.stem(x)))).mean((-1, -2)))


@torch.no_grad()
def break_model(model: Classifier, fault: str) -> None:
    if fault in ("layer", "zeros"):
        model.get_submodule(model.one_layer).weight.mul_(model.factor if fault == "layer" else 0)
    for module in model.modules():
        if fault == "normal" and isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight)
        if fault == "gains" and isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.normal_(module.weight, std=0.02)


def main(network: str, fault: str, on_unhealthy: str, bar: str) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its hints do not depend on the network
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = {"cnn": CNN, "transformer": Transformer, "resnet": ResNet}[network]()
    break_model(model, fault)
    size = STEPS * BATCH
    inputs = torch.randint(100, (size, 16)) if network == "transformer" else torch.randn(size, 3, 32, 32)
    batches = DataLoader(TensorDataset(inputs, torch.randint(CLASSES, (size,))), batch_size=BATCH)
    progress = {"tqdm": TQDMProgressBar, "rich": RichProgressBar}[bar]()
    callbacks = [InitHealth(on_unhealthy), progress]
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary"), False)
    pl.Trainer(max_epochs=1, accelerator="cpu", callbacks=callbacks, **quiet).fit(model, batches)


if __name__ == "__main__":
    main(*sys.argv[1:])
