"""Runs one check of a LLaMA-like network in a process of its own, and prints its seconds and memory as JSON."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

HEAD = 128  # width of an attention head
TOKENS = 16


def measured(layers: int, width: int, memory: str, dtype: str, vocabulary: int = 32000) -> dict[str, Any]:
    """Return the seconds of the check, its peak memory beyond the start in bytes, and the verdict."""
    words = [sys.executable, "-m", __name__, *map(str, (layers, width, memory, dtype, vocabulary))]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def main(layers: int, width: int, memory: str, dtype: str, vocabulary: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from inithealth import check

    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=width * 7 // 2,
        num_hidden_layers=layers,
        num_attention_heads=width // HEAD,
        num_key_value_heads=min(8, width // HEAD),
        vocab_size=vocabulary,
        dtype=dtype,
    )
    tokens = torch.randint(vocabulary, (1, TOKENS))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    report = check(
        lambda: LlamaForCausalLM._from_config(config), {"input_ids": tokens, "labels": tokens}, memory=memory
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - start,
                "beyond": (peak - before) * 1024,
                "peak": peak * 1024,
                "healthy": report.ok,
                "notes": report.notes,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
