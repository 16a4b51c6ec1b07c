"""A training run that a test starts in one or several processes; each process writes its results to a file.

    python tests/ranks/training.py KIND PROCESSES FOLDER [ON_UNHEALTHY]

KIND is "single", "ddp" or "sharded". The batch of a step does not depend on the number of processes; each takes its
share. ON_UNHEALTHY may also be "off", without the callback, or "kill": the second process is killed in its third step.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from inithealth import InitHealth
from inithealth.sessions.saved_recording import unpacked

BATCH, STEPS = 16, 3
INPUTS = torch.randn(96, 8, generator=torch.Generator().manual_seed(1))
TARGETS = torch.arange(96) % 5


class Net(pl.LightningModule):
    """Widths that no number of processes divides, so the shards are uneven."""

    def __init__(self, kind: str, *, broken: bool, killed: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.killed = kind, killed
        self.net = nn.Sequential(
            nn.Linear(8, 17), nn.ReLU(), nn.Linear(17, 17), nn.LayerNorm(17), nn.GELU(), nn.Linear(17, 5)
        )
        if broken:
            nn.init.constant_(self.net[2].weight, math.nan)

    def configure_model(self) -> None:
        if self.kind == "sharded":
            from torch.distributed.fsdp import fully_shard

            mesh = self.device_mesh["data_parallel"]
            for layer in self.net:
                if isinstance(layer, nn.Linear):
                    fully_shard(layer, mesh=mesh)
            fully_shard(self.net, mesh=mesh)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        if self.killed and batch_idx == 2 and self.trainer.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def train_dataloader(self) -> DataLoader[Any]:
        rank, size = self.trainer.global_rank, self.trainer.world_size
        part = BATCH // size
        mine = [BATCH * step + rank * part + i for step in range(96 // BATCH) for i in range(part)]
        return DataLoader(TensorDataset(INPUTS[mine], TARGETS[mine]), batch_size=part)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def strategy(kind: str, processes: int) -> Any:
    if kind == "ddp":
        return DDPStrategy(process_group_backend="gloo")
    if kind == "sharded":
        return ModelParallelStrategy(processes, 1, process_group_backend="gloo")
    return "auto"


def main() -> None:
    kind, processes, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    on_unhealthy = sys.argv[4] if len(sys.argv) > 4 else "warn"
    warnings.simplefilter("ignore")
    off, killed = on_unhealthy == "off", on_unhealthy == "kill"
    callback = InitHealth(
        "raise" if on_unhealthy == "raise" else "warn", folder / "report.json", settings={"schedule": "every"}
    )
    trainer = pl.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        devices=processes,
        strategy=strategy(kind, processes),
        callbacks=[] if off else [callback],
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    model = Net(kind, broken=on_unhealthy == "raise", killed=killed)
    trainer.fit(model)
    shown = {
        "recording": unpacked(kept).model_dump_json() if (kept := callback.state_dict().get("recording")) else None,
        "weights": hashlib.sha256(b"".join(_bytes(p) for p in model.parameters())).hexdigest(),
    }
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(shown))


def _bytes(parameter: Tensor) -> bytes:
    part = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return part.detach().numpy().tobytes()


if __name__ == "__main__":
    main()
