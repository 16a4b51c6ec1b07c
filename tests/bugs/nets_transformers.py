"""Bugs of language models: loops over names or modules that initialize too much, too little, or the wrong role."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.nets import Loss

WORDS, LENGTH, HEADS, WIDTH = 64, 16, 4, 48
STD = 0.02 * math.sqrt(768 / WIDTH)  # the gain that 0.02 has at GPT-2's width
Built = tuple[nn.Module, Tensor, Loss]


def sentences(samples: int = 8) -> tuple[Tensor, Loss]:
    """Tokens ``(samples, LENGTH)`` and the loss of predicting those that follow."""
    tokens = torch.randint(WORDS, (samples, LENGTH + 1), generator=torch.Generator().manual_seed(5))
    following = tokens[:, 1:].flatten()
    return tokens[:, :-1], lambda logits: F.cross_entropy(logits.flatten(0, 1), following)


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    heads = [x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (query, key, value)]
    return F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(causal_attention(*self.c_attn(x).chunk(3, -1)))


class GPTBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), Attention(width)
        self.ln_2, self.c_fc, self.c_proj = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    """Pre-norm blocks between an embedding and a head that share their weight."""

    def __init__(self, blocks: int, width: int = WIDTH) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, width), nn.Embedding(LENGTH, width)
        self.h = nn.ModuleList(GPTBlock(width) for _ in range(blocks))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, WORDS, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def gpt(blocks: int, is_branch_end: Callable[[str], bool], width: int = WIDTH) -> GPT:
    model, std = GPT(blocks, width), 0.02 * math.sqrt(768 / width)
    for name, parameter in model.named_parameters():
        if name.startswith("w"):
            nn.init.normal_(parameter, std=0.02)
        elif parameter.dim() == 2:
            nn.init.normal_(parameter, std=std / math.sqrt(2 * blocks) if is_branch_end(name) else std)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    return model


def scaling_asks_for_an_unqualified_name(healthy: bool) -> Built:
    """transformers#47458: the name to scale is compared with ``c_proj.weight``; those of a whole model are longer."""
    return gpt(24, lambda name: name.endswith("c_proj.weight") if healthy else name == "c_proj.weight"), *sentences()


def tied_embedding_of_std_one(healthy: bool) -> Built:
    """transformers#26441: the embedding keeps its default, N(0, 1), and is the head."""
    model = gpt(4, lambda name: name.endswith("c_proj.weight"), width=128)
    if not healthy:
        nn.init.normal_(model.wte.weight)
    return model, *sentences()


class LlamaBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.w1, self.w3 = (nn.Linear(WIDTH, 3 * WIDTH, bias=False) for _ in range(2))
        self.w2 = nn.Linear(3 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        read = self.attention_norm(x)
        x = x + self.wo(causal_attention(self.wq(read), self.wk(read), self.wv(read)))
        read = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(read)) * self.w3(read))


class Llama(nn.Module):
    def __init__(self, scaled: tuple[str, ...], blocks: int = 6) -> None:
        super().__init__()
        self.tok_embeddings, self.norm = nn.Embedding(WORDS, WIDTH), nn.RMSNorm(WIDTH)
        self.layers = nn.ModuleList(LlamaBlock() for _ in range(blocks))
        self.output = nn.Linear(WIDTH, WORDS, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=STD / math.sqrt(2 * blocks) if name.endswith(scaled) else STD)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.output(self.norm(x))


def depth_scaling_on_the_wrong_projection(healthy: bool) -> Built:
    """torchtitan#3334: SwiGLU's ``w3`` is scaled by depth; the branch ends in ``w2``."""
    return Llama(("wo.weight", "w2.weight" if healthy else "w3.weight")), *sentences()


class Encoder(nn.Module):
    """Post-norm, as BERT; the layers are clones of one, or made one by one."""

    def __init__(self, clones: bool = False) -> None:
        super().__init__()
        self.words, self.norm = nn.Embedding(WORDS, WIDTH), nn.LayerNorm(WIDTH)
        layers = [nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, batch_first=True) for _ in range(4)]
        cloned = nn.TransformerEncoder(layers[0], 4, enable_nested_tensor=False).layers
        self.layers, self.head = cloned if clones else nn.ModuleList(layers), nn.Linear(WIDTH, WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.words(tokens))
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def norms_drawn_like_matrices(healthy: bool) -> Built:
    """transformers#143: the loop over all modules with a weight draws those of the norms from N(0, 0.02) too."""
    model = Encoder()
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding, nn.MultiheadAttention)) or not healthy:
            for name, parameter in module.named_parameters(recurse=False):
                if name.endswith("bias"):
                    nn.init.zeros_(parameter)
                else:
                    nn.init.normal_(parameter, std=0.02)
    return model, *sentences()


def clones_of_one_layer(healthy: bool) -> Built:
    """pytorch#72253: ``nn.TransformerEncoder`` copies the layer that it is given, weights and all."""
    return Encoder(clones=not healthy), *sentences()


def packed_projection(healthy: bool) -> Built:
    """pytorch#166378: Xavier takes a packed query, key and value for one matrix of 3E outputs: sqrt(2) too small."""
    model = Encoder()
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            nn.init.xavier_uniform_(module.in_proj_weight, gain=math.sqrt(2) if healthy else 1.0)
    return model, *sentences()
