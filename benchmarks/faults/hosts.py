"""The healthy networks that faults are injected into, and their training tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from . import picture_nets, tasks, token_nets, vector_nets
from .tasks import Task, cross_entropy

WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.LSTM, nn.GRU, nn.RNN, nn.MultiheadAttention)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Host:
    """A kind of network. Names are module names; the learning rates are for SGD with momentum 0.9 and for Adam."""

    name: str
    build: Callable[[], nn.Module]
    task: Task
    rates: tuple[float, float]
    steps: int
    units: tuple[str, ...] = ()  # middle layers; only ``reader`` reads their outputs, unit by unit
    reader: str = ""
    stem: str = "stem"
    head: str = "head"  # empty if an embedding is the head, too
    end: str = "norm"  # the last module before the head
    deep: bool = False  # without normalization, and deep enough for a wrong gain to accumulate
    adapters: bool = False  # only low-rank adapters are trained
    branch_ends: tuple[str, ...] = ()  # last layers of residual branches that are scaled down with the depth


def _as_it_is(x: Tensor) -> Tensor:
    return x


@dataclass
class Subject:
    """A network to judge: a host, possibly with a fault."""

    host: Host
    seed: int
    model: nn.Module = field(init=False)
    prepare: Callable[[Tensor], Tensor] = _as_it_is  # applied to the inputs
    finish: Callable[[Tensor], Tensor] = _as_it_is  # applied to the outputs before the loss

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.model = self.host.build()

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.host.task.loss(self.finish(output), target)

    @property
    def body(self) -> list[str]:
        """Layers between the stem and the head, in forward order."""
        outer = (self.host.stem, self.host.head)
        return [name for name in self.weights if name not in outer]

    @property
    def weights(self) -> list[str]:
        return [name for name, module in self.model.named_modules() if isinstance(module, WEIGHTS)]

    @property
    def norms(self) -> list[str]:
        return [name for name, module in self.model.named_modules() if isinstance(module, NORMS)]

    def middle(self, names: list[str]) -> str:
        """Return a layer in the middle; the next seed returns the next layer."""
        return names[(len(names) // 2 + self.seed) % len(names)]


_DIGITS = Task(tasks.digits(1, 8, 8), cross_entropy, 32)
_TEACHER = Task(tasks.teacher, cross_entropy)
_ENDS = tuple(f"blocks.{i}.fc2" for i in range(16))
_GPT_ENDS = tuple(f"blocks.{i}.{end}" for i in range(4) for end in ("proj", "fc2"))

HOSTS: tuple[Host, ...] = (
    Host(
        "mlp-relu", vector_nets.relu_mlp, Task(tasks.digits(64), cross_entropy), (0.005, 1e-3), 150,
        ("body.9",), "body.10", end="body.18", deep=True,
    ),
    Host(
        "mlp-tanh", vector_nets.tanh_mlp, Task(tasks.digits(64), cross_entropy), (0.01, 1e-3), 200,
        ("body.4",), "body.5", end="body.8", deep=True,
    ),
    Host("conv", picture_nets.plain_conv, _DIGITS, (0.005, 1e-3), 120, ("6",), "8", "0", "17", "16", deep=True),
    Host("resnet", picture_nets.ResNet, _DIGITS, (0.05, 4e-3), 70, ("blocks.1.conv1",), "blocks.1.conv2", end="pool"),
    Host("convnext", picture_nets.ConvNeXt, _DIGITS, (0.04, 4e-3), 120, ("blocks.1.fc1",), "blocks.1.fc2"),
    Host("mixer", token_nets.Mixer, _DIGITS, (0.05, 3e-3), 120, ("blocks.1.fc1",), "blocks.1.fc2"),
    Host(
        "gpt", token_nets.GPT, Task(tasks.next_token, cross_entropy, 8), (0.15, 8e-3), 100,
        ("blocks.1.fc1",), "blocks.1.fc2", "tokens", "", branch_ends=_GPT_ENDS,
    ),
    Host(
        "llama", token_nets.Llama, Task(tasks.next_token, cross_entropy, 8), (0.1, 8e-3), 80,
        ("blocks.1.gate", "blocks.1.up"), "blocks.1.down", "tokens",
    ),
    Host(
        "bert", token_nets.Bert, Task(tasks.bag_of_tokens, cross_entropy, 16), (0.03, 1e-3), 130,
        ("blocks.1.fc1",), "blocks.1.fc2", "tokens", end="blocks",
    ),
    Host("lstm", token_nets.LSTM, Task(tasks.digits(8, 8), cross_entropy), (0.1, 5e-3), 200, end="body.1"),
    Host(
        "unet", picture_nets.UNet, Task(tasks.noisy_blobs, nn.functional.mse_loss, 8), (0.01, 1e-3), 100,
        ("down.2.0",), "down.2.2", "down.0.0", end="up.1", deep=True,
    ),
    Host(
        "residual", vector_nets.ResidualMLP, _TEACHER, (0.01, 1e-3), 200,
        ("blocks.8.fc1",), "blocks.8.fc2", end="blocks", deep=True, branch_ends=_ENDS,
    ),
    Host(
        "gcn", vector_nets.GCN, Task(tasks.neighbors, cross_entropy, 8), (0.05, 5e-3), 200,
        ("body.1",), "body.2", end="body.2",
    ),
    Host("low-rank", token_nets.LowRank, _TEACHER, (0.03, 3e-3), 250, end="", adapters=True),
)  # fmt: skip
