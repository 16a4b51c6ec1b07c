"""A model with the shape of LLaMA 70B, as transformers initializes it, and with larger ends of its residual branches.

pip install transformers
inithealth check benchmarks.paged.llama:model --memory 7GB --input 1,16:int64
inithealth check benchmarks.paged.llama:scaled_up --memory 7GB --input 1,16:int64 [--arg dtype=float32]
python -m benchmarks.paged.llama    # trains small twins of both
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

FACTOR = 4.0
_SHAPE = {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
_TWIN = {
    "hidden_size": 128,
    "intermediate_size": 448,
    "num_hidden_layers": 80,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
}
_SEEDS = 2
_SEQUENCES, _LENGTH, _STEPS, _RATE = 8, 16, 40, 1e-3


def model(dtype: str = "bfloat16", **shape: Any) -> nn.Module:
    made: nn.Module = LlamaForCausalLM._from_config(LlamaConfig(**{**_SHAPE, **shape}, dtype=dtype))
    return made


def scaled_up(dtype: str = "bfloat16", **shape: Any) -> nn.Module:
    """Return the model with the last layers of its residual branches four times larger."""
    made: Any = model(dtype, **shape)
    with torch.no_grad():
        for block in made.model.layers:
            block.self_attn.o_proj.weight.mul_(FACTOR)
            block.mlp.down_proj.weight.mul_(FACTOR)
    return made  # type: ignore[no-any-return]


def losses(build: Any, seed: int) -> list[float]:
    """Train a twin of the same depth on sequences in which each token determines the next; return its losses."""
    torch.manual_seed(seed)
    net = build("float32", **_TWIN)
    following = torch.randperm(_TWIN["vocab_size"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE)
    found = []
    for _ in range(_STEPS):
        tokens = torch.randint(_TWIN["vocab_size"], (_SEQUENCES, 1))
        for _ in range(_LENGTH - 1):
            tokens = torch.cat([tokens, following[tokens[:, -1:]]], 1)
        loss = net(input_ids=tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def main() -> None:
    blocks, width = _TWIN["num_hidden_layers"], _TWIN["hidden_size"]
    print(f"twins of {blocks} blocks, width {width}: AdamW(lr={_RATE}), {_SEEDS} seeds")
    for name, build in (("as transformers initializes it", model), ("o_proj and down_proj x 4", scaled_up)):
        rows = [losses(build, seed) for seed in range(_SEEDS)]
        text = "  ".join(f"{row[0]:.2f} -> {sum(row[-5:]) / 5:.2f}" for row in rows)
        print(f"{name:32} loss over {_STEPS} steps: {text}", flush=True)


if __name__ == "__main__":
    main()
