"""Five small networks as people write them, and different ways of writing them."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORDS, WIDTH, HEADS, BLOCKS = 11, 8, 2, 2


class GPTBlock(nn.Module):
    """nanoGPT's block: packed queries, keys and values, fused attention, pre-norm."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.attn_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.c_fc, self.mlp_proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attn_proj(self.attend(self.c_attn(self.ln_1(x)))))
        return x + self.dropout(self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)))))

    def attend(self, packed: Tensor) -> Tensor:
        batch, length, _ = packed.shape
        heads = (part.view(batch, length, HEADS, -1).transpose(1, 2) for part in packed.split(WIDTH, dim=2))
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
        return mixed.transpose(1, 2).contiguous().view(batch, length, WIDTH)


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, WIDTH), nn.Embedding(16, WIDTH)
        self.h = nn.ModuleList(GPTBlock() for _ in range(BLOCKS))
        self.ln_f, self.lm_head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.dropout(self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1])), 0.1)
        for block in self.h:
            x = block(x)
        return cast(Tensor, self.lm_head(self.ln_f(x)))


class Bottleneck(nn.Module):
    """ResNet-50's block, written without torchvision."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        return cast(Tensor, self.relu(out + (x if self.downsample is None else self.downsample(x))))


RESNET_50 = (3, 4, 6, 3)  # blocks per stage


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        inputs = 4
        for stage, blocks in enumerate(RESNET_50):
            width = 2 * 2**stage
            strides = [2 if stage else 1] + [1] * (blocks - 1)
            layers = [Bottleneck(4 * width if block else inputs, width, each) for block, each in enumerate(strides)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
            inputs = 4 * width
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(len(RESNET_50)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return cast(Tensor, self.fc(x.mean((2, 3))))


class RMSNorm(nn.Module):
    """Llama's norm, which has no autograd node of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def rotated(x: Tensor) -> Tensor:
    """Return the rotary position embedding of [batch, heads, positions, features]."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] / 100 ** (torch.arange(half) / half)
    angles = torch.cat([angles, angles], -1)
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * angles.cos() + turned * angles.sin()


class LlamaBlock(nn.Module):
    """Grouped queries, rotary positions, SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        shared = WIDTH // HEADS
        self.input_norm, self.post_norm = RMSNorm(), RMSNorm()
        self.q_proj, self.o_proj = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.k_proj, self.v_proj = nn.Linear(WIDTH, shared, bias=False), nn.Linear(WIDTH, shared, bias=False)
        self.gate_proj, self.up_proj = nn.Linear(WIDTH, 24, bias=False), nn.Linear(WIDTH, 24, bias=False)
        self.down_proj = nn.Linear(24, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.input_norm(x)
        x = x + self.o_proj(self.attend(self.q_proj(y), self.k_proj(y), self.v_proj(y)))
        y = self.post_norm(x)
        return cast(Tensor, x + self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y)))

    def attend(self, *packed: Tensor) -> Tensor:
        batch, length, _ = packed[0].shape
        q, k, v = (part.view(batch, length, -1, WIDTH // HEADS).transpose(1, 2) for part in packed)
        q, k, v = rotated(q), rotated(k).repeat_interleave(HEADS, 1), v.repeat_interleave(HEADS, 1)
        scores = q @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS)
        causal = torch.full((length, length), -torch.inf).triu(1)
        return ((scores + causal).softmax(-1) @ v).transpose(1, 2).reshape(batch, length, WIDTH)


class Llama(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.ModuleList(LlamaBlock() for _ in range(BLOCKS))
        self.norm, self.lm_head = RMSNorm(), nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.layers:
            x = block(x)
        return cast(Tensor, self.lm_head(self.norm(x)))


class TimedBlock(nn.Module):
    """A diffusion U-Net's residual block with a time embedding."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(2, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(8, outputs)
        self.norm2, self.conv2 = nn.GroupNorm(2, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        return cast(Tensor, self.skip(x) + self.conv2(F.silu(self.norm2(y))))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.time1, self.time2 = nn.Linear(4, 8), nn.Linear(8, 8)
        self.stem, self.into = nn.Conv2d(3, 4, 3, padding=1), TimedBlock(4, 4)
        self.down, self.middle = nn.Conv2d(4, 8, 3, 2, 1), TimedBlock(8, 8)
        self.up, self.out = nn.ConvTranspose2d(8, 4, 4, 2, 1), TimedBlock(8, 4)
        self.norm, self.head = nn.GroupNorm(2, 4), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        time = self.time2(F.silu(self.time1(torch.cat([time.sin(), time.cos()], 1))))
        x = across = self.into(self.stem(x), time)
        x = self.up(self.middle(self.down(x), time))
        x = self.out(torch.cat([x, across], 1), time)
        return cast(Tensor, self.head(F.silu(self.norm(x))))


class Classifier(nn.Module):
    """An embedding, two LSTM layers, and a classifier on the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(WORDS, 6), nn.LSTM(6, 5, num_layers=2, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.lstm(self.embed(tokens))[0][:, -1]))
