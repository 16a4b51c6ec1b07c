"""Traps of residual blocks, convolutions, attention and experts."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import VOCABULARY, Scene, next_token, seeded
from .pictures import images
from .plain import CLASSES, FEATURES, WIDTH, vectors
from .trap import Trap, he, scene


class Scaled(nn.Module):
    """A pre-norm residual block whose branch ends with a learned scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.norm, self.enter, self.leave = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.full((WIDTH,), scale))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.leave(F.gelu(self.enter(self.norm(x))))


def layer_scale(fault: bool) -> Scene:
    """A branch may start at a millionth of its scale; with two zeros in a row it never receives gradient."""
    blocks = [Scaled(1e-6) for _ in range(8)]
    if fault:
        for parameter in (blocks[2].scale, blocks[2].leave.weight, blocks[2].leave.bias):
            nn.init.zeros_(parameter)
    return scene(nn.Sequential(nn.Linear(FEATURES, WIDTH), *blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)))


class Branch(nn.Module):
    """A residual block whose branch ends with a zero norm weight, optionally without the skip connection."""

    def __init__(self, skip: bool, channels: int = 16) -> None:
        super().__init__()
        self.enter, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.leave, self.last = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.skip = skip
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.last(self.leave(F.relu(self.norm(self.enter(x)))))
        return F.relu(x + branch if self.skip else branch)


def pooled(*layers: nn.Module, channels: int, samples: int = 8, size: int = 16) -> Scene:
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))
    return scene(model, images(samples, size))


def zero_gamma(fault: bool) -> Scene:
    """No initial gradient in any branch is intentional; without skip connections the whole network stays without it."""
    blocks = [Branch(skip=not (fault and n == 2)) for n in range(4)]
    return pooled(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), *blocks, channels=16)


class Excited(nn.Module):
    """Squeeze-and-excitation: a gate with few ReLU units, half of which are dead."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.squeeze, self.excite = nn.Conv2d(32, 8, 1), nn.Conv2d(8, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return x * F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))


def small_squeeze(fault: bool, samples: int = 8) -> Scene:
    """Five of eight units may be inactive in a batch of eight, but not all of them."""
    blocks = [Excited() for _ in range(3)]
    if fault:
        nn.init.constant_(blocks[1].squeeze.bias, -10.0)
    stem = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    return pooled(*stem, *blocks, channels=32, samples=samples)


def small_squeeze_of_four_samples(fault: bool) -> Scene:
    return small_squeeze(fault, samples=4)


def equal_depthwise_filters(fault: bool) -> Scene:
    """Channels with the same filter (a blur) still differ; channels with zero filters are lost."""
    blur = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False)
    enter, mix = he(nn.Conv2d(3, 32, 3, padding=1)), he(nn.Conv2d(32, 32, 1))
    nn.init.constant_(blur.weight, 0.0 if fault else 1 / 9)
    return pooled(enter, nn.ReLU(), blur, mix, nn.ReLU(), channels=32)


def separable(fault: bool) -> Scene:
    """Depthwise and pointwise convolutions with ReLU6, as in MobileNet."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    for _ in range(4):
        layers += [nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
        layers += [nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    return pooled(*layers, channels=16, samples=16, size=8)


def wide_pictures_narrow_end(fault: bool) -> Scene:
    """Per-pixel gradients of large images are small, but their total is large unless it vanishes."""
    pairs = pairwise((3, 8, 16, 32, 64))
    convs = [part for reads, gives in pairs for part in (nn.Conv2d(reads, gives, 3, 2, 1), nn.ReLU())]
    model = he(nn.Sequential(*convs, nn.Flatten(), nn.Linear(64 * 2 * 2, 64), nn.ReLU(), nn.Linear(64, CLASSES)))
    if fault:
        model.get_submodule("4").weight.data *= 1e-4
    return scene(model, images(size=32))


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(WIDTH), nn.MultiheadAttention(WIDTH, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        read = self.norm(x)
        return x + self.attention(read, read, read, need_weights=False)[0]


def attention_output(fault: bool) -> Scene:
    """``out_proj`` is never called, because the attention uses its weight: no hook sees it, but it is judged."""
    blocks = [Attending() for _ in range(4)]
    if fault:
        nn.init.normal_(blocks[1].attention.out_proj.weight, std=10.0)
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), *blocks, nn.Flatten(), nn.Linear(12 * WIDTH, CLASSES))
    return scene(model, vectors(16 * 12)[0].view(16, 12, FEATURES))


class Language(nn.Module):
    """A tied embedding with GPT's std of 0.02, causal attention, a norm before the head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.attention = nn.Embedding(VOCABULARY, 32), nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, VOCABULARY, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.head(self.norm(x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]))


def tied_embedding(fault: bool) -> Scene:
    """One small weight is both embedding and head, so the logits are small, too."""
    model = Language()
    tokens, targets = seeded(16, 12)
    return Scene(model, tokens, next_token(targets))


class Mixture(nn.Module):
    """Each sample is routed to one expert of sixteen, so some experts get no sample of a small batch."""

    def __init__(self, detached: bool = False) -> None:
        super().__init__()
        self.enter, self.router, self.head = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, 16), nn.Linear(WIDTH, CLASSES)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)) for _ in range(16)
        )
        self.detached = detached

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        shares, chosen = self.router(x).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).nonzero().flatten()
            if len(mine):
                output = expert(x[mine])
                out = out.index_add(0, mine, shares[mine, None] * (output.detach() if self.detached else output))
        return self.head(x + out)


def unused_experts(fault: bool) -> Scene:
    """An expert without tokens has no gradient; an expert with tokens but without gradient is faulty."""
    model, x = Mixture(), vectors(16)[0]
    chosen = model.router(model.enter(x)).argmax(-1)
    assert len(chosen.unique()) < 16
    if fault:
        for parameter in model.experts[int(chosen[0])].parameters():
            nn.init.zeros_(parameter)
    return scene(model, x)


def detached_experts(fault: bool) -> Scene:
    """Experts without tokens have no gradient in this batch; experts detached from the loss never have."""
    return scene(Mixture(detached=fault), vectors(8)[0])


BLOCK_TRAPS: tuple[Trap, ...] = (
    Trap(layer_scale, ("IH103",), r"3(\.leave)?"),
    Trap(zero_gamma, ("IH103",), r"5\.last", r"[346]\.last"),
    Trap(small_squeeze, ("IH204",), r"4\.squeeze"),
    Trap(small_squeeze_of_four_samples, ("IH204",), r"4\.squeeze"),
    Trap(equal_depthwise_filters, ("IH103",), "2"),
    Trap(separable),
    Trap(wide_pictures_narrow_end, ("IH106",), "4"),
    Trap(attention_output, ("IH106",), r"2\.attention\.out_proj"),
    Trap(tied_embedding),
    Trap(unused_experts, ("IH103",), r"experts\.\d+\.[02]"),
    # The graph of a live step does not contain detached layers: they look like experts without tokens.
    Trap(detached_experts, ("IH304",), r"experts\.\d+\.[02]", watched=False),
)
