"""Prints how many autograd nodes of each architecture are known, and how many unknown ones are reported."""

from __future__ import annotations

import sys
import time
import warnings

import torch

from .chosen import nets
from .flexible import backward_on_a_cpu
from .walk import walked


def main() -> int:
    """Return 0 if every node of every architecture is known or reported."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    started, failed, unreported, nodes = time.perf_counter(), 0, 0, 0
    chosen = nets()
    print(f"{'architecture':<52}{'nodes':>7}{'unknown':>9}{'reported':>10}")
    with backward_on_a_cpu():
        for net in chosen:
            try:
                found = walked(net)
            except Exception as error:  # a library is missing or has changed: continue with the others
                failed += 1
                print(f"{net.name:<52}{type(error).__name__}: {error}")
                continue
            reported = len(found.unknown) - len(found.unreported)
            nodes, unreported = nodes + found.nodes, unreported + len(found.unreported)
            names = ", ".join(found.unknown)
            print(f"{found.name:<52}{found.nodes:>7}{len(found.unknown):>9}{reported:>10}  {names}", flush=True)
    seconds = time.perf_counter() - started
    print(f"{len(chosen)} architectures, {nodes} nodes, {unreported} unreported, {failed} failed, {seconds:.0f} s")
    return int(bool(unreported or failed))


if __name__ == "__main__":
    sys.exit(main())
