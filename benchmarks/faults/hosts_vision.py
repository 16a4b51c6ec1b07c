"""More healthy networks that faults are injected into: for images, points and sound."""

from __future__ import annotations

from torch import nn

from . import more_tasks_vision as tasks
from . import more_vision_nets as nets
from .hosts import Host
from .tasks import Task, cross_entropy, digits

_DIGITS = Task(digits(1, 8, 8), cross_entropy, 32)
_SHAPES = Task(tasks.shapes, cross_entropy, 16)

HOSTS: tuple[Host, ...] = (
    Host(
        "vgg", nets.VGG, _DIGITS, (0.03, 3e-3), 70,
        ("features.7",), "features.10", "features.0", end="features",
    ),
    Host(
        "mobilenet", nets.MobileNet, _SHAPES, (0.1, 1e-2), 80,
        ("blocks.2.expand.0", "blocks.2.depthwise.0"), "blocks.2.project.0", "stem.0", end="pool",
    ),
    Host(
        "densenet", nets.DenseNet, _SHAPES, (0.1, 1e-2), 80,
        ("block1.2.conv1",), "block1.2.conv2", end="pool",
    ),
    Host(
        "se-resnet", nets.SEResNet, Task(tasks.shapes, cross_entropy, 24), (0.05, 5e-3), 150,
        ("blocks.1.conv1",), "blocks.1.conv2", end="pool",
    ),
    Host("vit", nets.ViT, _DIGITS, (0.1, 2e-3), 200, ("blocks.1.fc1",), "blocks.1.fc2"),
    Host(
        "conv-autoencoder", nets.Autoencoder, Task(tasks.spots, nn.functional.mse_loss, 16), (0.12, 5e-3), 110,
        ("encoder.0",), "encoder.1", end="decoder.1", deep=True,
    ),
    Host("leaky-conv", nets.leaky_conv, _DIGITS, (0.004, 1e-3), 120, ("12",), "14", "0", "25", "24", deep=True),
    Host(
        "diffusion", nets.Diffusion, Task(tasks.diffused, nn.functional.mse_loss, 8), (0.04, 3e-3), 70,
        ("middle.0.conv1", "middle.0.time"), "middle.0.conv2",
    ),
    Host(
        "pointnet", nets.PointNet, Task(tasks.clouds, cross_entropy, 32), (0.05, 5e-3), 100,
        ("points.3",), "points.6", "points.0", end="dense",
    ),
    Host(
        "sound", nets.Sound, Task(tasks.tones, cross_entropy, 32), (0.03, 4e-3), 90,
        ("features.8",), "features.12", "features.0", end="features",
    ),
)  # fmt: skip
