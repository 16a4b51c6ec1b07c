"""More healthy networks: recurrent, convolutional and attention networks, and other MLPs."""

from __future__ import annotations

from torch.nn import functional as F

from . import more_dense_nets as dense
from . import more_sequence_nets as sequences
from . import more_tasks_sequences as more
from . import state_space_nets as state_spaces
from . import tasks
from .hosts import Host
from .tasks import Task, cross_entropy

_MAMBA_ENDS = ("blocks.0.out_proj", "blocks.1.out_proj")

HOSTS: tuple[Host, ...] = (
    Host(
        "gru", sequences.GRUClassifier, Task(more.verdict, cross_entropy), (0.15, 4e-3), 130,
        ("fc",), "head", "tokens", end="fc",
    ),
    Host(
        "tcn", sequences.TCN, Task(more.waves, cross_entropy, 32), (0.01, 6e-3), 120,
        ("blocks.1.conv1",), "blocks.1.conv2", end="blocks", deep=True,
    ),
    Host(
        "t5", sequences.T5, Task(more.topic_chain, cross_entropy, 16), (0.1, 8e-3), 80,
        ("decoder.blocks.0.wi",), "decoder.blocks.0.wo", "tokens", "", "decoder.norm",
    ),
    Host(
        "torch-encoder", sequences.TorchEncoder, Task(tasks.digits(8, 8), cross_entropy, 32), (0.05, 4e-3), 100,
        ("encoder.layers.1.linear1",), "encoder.layers.1.linear2", end="encoder",
    ),
    Host(
        "mlp-selu", dense.selu_mlp, Task(tasks.teacher, cross_entropy), (0.015, 1e-3), 200,
        ("body.5",), "body.6", end="body.10", deep=True,
    ),
    Host(
        "mlp-batchnorm", dense.BatchNormMLP, Task(more.friedman, F.mse_loss), (0.02, 4e-3), 120,
        ("body.9",), "body.12", end="body",
    ),
    Host(
        "dlrm", dense.DLRM, Task(more.clicks, more.binary_cross_entropy, 128), (0.03, 8e-3), 250,
        ("top.0",), "top.1", "tables.0", end="top.1",
    ),
    Host(
        "autoencoder", dense.Autoencoder, Task(more.copied_digits, F.mse_loss), (0.07, 4e-3), 200,
        ("body.4",), "body.5", end="body.7", deep=True,
    ),
    Host(
        "gated-mlp", dense.GatedMLP, Task(tasks.teacher, cross_entropy), (0.05, 4e-3), 200,
        ("blocks.1.gate", "blocks.1.up"), "blocks.1.down",
    ),
    Host(
        "siren", dense.Siren, Task(more.picture, F.mse_loss, 128), (5e-4, 7e-4), 200,
        ("body.1",), "body.2", end="body.2", deep=True,
    ),
    Host(
        "gat", dense.GAT, Task(tasks.neighbors, cross_entropy, 4), (0.05, 5e-3), 150,
        stem="layers.0.linear", end="fc",
    ),
    Host(
        "mamba", state_spaces.Mamba, Task(more.recent_votes, cross_entropy, 16), (0.1, 8e-3), 80,
        stem="tokens", branch_ends=_MAMBA_ENDS,
    ),
)  # fmt: skip
