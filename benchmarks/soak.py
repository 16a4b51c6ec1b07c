"""Checks for growing memory: a small model, every step watched for a long time, with a TensorBoard log.

    python benchmarks/soak.py [--steps 20000]

Prints the memory of Python and of the process, and the size of the event file, at regular intervals.
"""

from __future__ import annotations

import argparse
import gc
import resource
import tempfile
import tracemalloc
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import inithealth
from inithealth import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, targets = torch.randn(64, 16), torch.randint(4, (64,))
    folder = Path(tempfile.mkdtemp())
    tracemalloc.start()
    print(f"{'step':>8} {'Python':>12} {'process':>12} {'events':>12}")
    with (
        SummaryWriter(str(folder)) as writer,
        inithealth.watch(
            model, optimizer=optimizer, writer=writer, settings=Settings(schedule="every", until=None)
        ) as monitor,
    ):
        for step in range(1, steps + 1):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            if step % (steps // 8) == 0:
                writer.flush()
                gc.collect()
                held = tracemalloc.get_traced_memory()[0] / 2**20
                process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
                events = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
                print(f"{step:8} {held:8.2f} MiB {process:8.1f} MiB {events:8.2f} MiB", flush=True)
    print(monitor.report)


if __name__ == "__main__":
    main()
