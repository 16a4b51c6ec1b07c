"""Compares checks in a limited memory with checks of the same model in memory.

    pip install -r benchmarks/accuracy-requirements.txt
    python -m benchmarks.paged [--nets timm/resnet18 ...]
    python -m benchmarks.paged --depths 8 16 32 64 [--width 2048] [--memory 1.5GB]
    python -m benchmarks.paged --blocks 2 4 [--width 8192] [--memory 8GB] [--dtype bfloat16]

The first compares whole recordings, bit for bit, with three memories: all parameters, half of them, and twice the
largest. The second measures the peak memory of a check over the depth of a network, each in a process of its own. The
third measures the seconds of networks of few blocks, and extrapolates to the depths of known models.
"""

from __future__ import annotations

import argparse

from .depth import depths
from .equal import NETS, equal
from .extrapolated import extrapolated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=NETS, metavar="NAME")
    parser.add_argument("--depths", nargs="+", type=int)
    parser.add_argument("--blocks", nargs="+", type=int)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--memory", default="1.5GB")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    if options.depths:
        print(depths(options.depths, options.width, options.memory, options.dtype))
    elif options.blocks:
        print(extrapolated(options.blocks, options.width, options.memory, options.dtype))
    else:
        for line in equal(options.nets):
            print(line, flush=True)


if __name__ == "__main__":
    main()
