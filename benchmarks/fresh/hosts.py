"""The fresh healthy networks that faults are injected into, and their training tasks."""

from __future__ import annotations

from torch.nn import functional as F

from benchmarks.faults.hosts import Host
from benchmarks.faults.tasks import Task, cross_entropy, digits

from . import picture_nets as pictures
from . import sequence_nets as sequences
from . import tasks
from . import vector_nets as vectors

_DIGITS = Task(digits(1, 8, 8), cross_entropy, 32)

HOSTS: tuple[Host, ...] = (
    Host(
        "wide-and-deep", vectors.WideAndDeep, Task(tasks.purchases, tasks.binary_cross_entropy, 128), (0.15, 1e-2), 200,
        ("deep.1",), "deep.2", "tables.0", end="deep.2",
    ),
    Host(
        "gin", vectors.GIN, Task(tasks.roles, cross_entropy, 8), (0.05, 1e-2), 200,
        ("layers.0.fc1",), "layers.0.fc2", end="layers.1",
    ),
    Host(
        "n-beats", vectors.NBeats, Task(tasks.seasons, F.mse_loss, 64), (0.02, 3e-3), 150,
        ("blocks.1.fcs.0",), "blocks.1.fcs.1", "blocks.0.fcs.0", "", "blocks",
    ),
    Host(
        "normed-tcn", sequences.NormedTCN, Task(tasks.chirps, cross_entropy, 32), (0.06, 1e-2), 110,
        ("blocks.1.conv1",), "blocks.1.conv2", end="pool",
    ),
    Host(
        "gru-tagger", sequences.GRUTagger, Task(tasks.tags, cross_entropy, 32), (0.2, 8e-3), 150,
        ("fc",), "head", "tokens", end="fc",
    ),
    Host(
        "gmlp", sequences.GMLP, Task(tasks.tags, cross_entropy, 32), (0.2, 7e-3), 150,
        stem="tokens",
    ),
    Host(
        "min-gru", sequences.MinGRU, Task(tasks.walks, cross_entropy, 16), (0.1, 6e-3), 120,
        ("blocks.1.fc1",), "blocks.1.fc2", "tokens",
    ),
    Host("register-vit", pictures.RegisterViT, _DIGITS, (0.03, 6e-3), 260, ("blocks.1.fc1",), "blocks.1.fc2"),
    Host("convmixer", pictures.ConvMixer, _DIGITS, (0.05, 5e-3), 80, end="pool"),
    Host(
        "siamese", pictures.Siamese, Task(tasks.pairs_of_digits, tasks.binary_cross_entropy, 96), (0.05, 4e-3), 250,
        ("fc1",), "fc2", end="fc2", deep=True,
    ),
)  # fmt: skip
