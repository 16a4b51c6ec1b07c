"""Networks that predict the noise in an image: a U-Net and a transformer, both with layers that start at zero."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_draws import pictures


def zero_module(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        p.detach().zero_()
    return module


def timestep_embedding(timesteps: Tensor, width: int, max_period: int = 10000) -> Tensor:
    freqs = torch.exp(-math.log(max_period) * torch.arange(width // 2) / (width // 2))
    args = timesteps[:, None].float() * freqs[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)


class TimedResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(8, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(8, outputs), nn.SiLU(), nn.Dropout(0.1), zero_module(nn.Conv2d(outputs, outputs, 3, padding=1))
        )
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(emb)[..., None, None]
        return self.skip(x) + self.out_layers(h)


class PictureAttention(nn.Module):
    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.norm, self.heads = nn.GroupNorm(8, width), heads
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = zero_module(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        q, k, v = self.qkv(self.norm(flat)).chunk(3, dim=1)
        q, k, v = (part.unflatten(1, (self.heads, -1)) for part in (q, k, v))
        scale = 1 / math.sqrt(math.sqrt(q.shape[2]))
        weight = torch.einsum("bhct,bhcs->bhts", q * scale, k * scale).softmax(dim=-1)
        mixed = torch.einsum("bhts,bhcs->bhct", weight, v).flatten(1, 2)
        return (flat + self.proj_out(mixed)).view_as(x)


class DiffusionUNet(nn.Module):
    """The residual blocks' last convolutions, the attention output and the final layer start at zero, as published."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        time, wide = 4 * width, 2 * width
        self.width = width
        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.down1 = TimedResBlock(width, width, time)
        self.shrink = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.down2, self.attend2 = TimedResBlock(width, wide, time), PictureAttention(wide)
        self.middle1, self.attend = TimedResBlock(wide, wide, time), PictureAttention(wide)
        self.middle2 = TimedResBlock(wide, wide, time)
        self.up2 = TimedResBlock(2 * wide, wide, time)
        self.grow = nn.Conv2d(wide, wide, 3, padding=1)
        self.up1 = TimedResBlock(wide + width, width, time)
        self.out = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), zero_module(nn.Conv2d(width, 3, 3, padding=1)))

    def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
        emb = self.time_embed(timestep_embedding(timesteps, self.width))
        h1 = self.down1(self.stem(x), emb)
        h2 = self.attend2(self.down2(self.shrink(h1), emb))
        h = self.middle2(self.attend(self.middle1(h2, emb)), emb)
        h = self.up2(torch.cat([h, h2], dim=1), emb)
        h = self.grow(F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.out(self.up1(torch.cat([h, h1], dim=1), emb))


def noisy(generator: Generator, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return noisy images, the times, the noise and the classes, with DDPM's linear schedule."""
    images, labels = pictures(generator, count, 16)
    kept = (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)
    times = torch.randint(1000, (count,), generator=generator)
    noise = torch.randn(images.shape, generator=generator)
    share = kept[times].view(-1, 1, 1, 1)
    return share.sqrt() * images / 2 + (1 - share).sqrt() * noise, times, noise, labels


def predict_noise(generator: Generator) -> Drawn:
    x, timesteps, noise, _ = noisy(generator, 16)
    return {"x": x, "timesteps": timesteps}, lambda output: F.mse_loss(output, noise)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class DiTBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        y = modulate(self.norm1(x), shift1, scale1)
        x = x + gate1.unsqueeze(1) * self.attn(y, y, y, need_weights=False)[0]
        return x + gate2.unsqueeze(1) * self.mlp(modulate(self.norm2(x), shift2, scale2))


class DiT(nn.Module):
    """adaLN-zero: the modulations and the output layer start at zero."""

    def __init__(self, width: int = 64, depth: int = 6, heads: int = 4, patch: int = 2, size: int = 16) -> None:
        super().__init__()
        self.width, self.patch = width, patch
        self.x_embedder = nn.Conv2d(3, width, patch, patch)
        self.t_embedder = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.y_embedder = nn.Embedding(10, width)
        steps = timestep_embedding(torch.arange((size // patch) ** 2), width)
        self.pos_embed = nn.Parameter(steps[None], requires_grad=False)
        self.blocks = nn.ModuleList(DiTBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.final_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.final = nn.Linear(width, patch * patch * 3)
        self.initialize_weights()

    def initialize_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.constant_(module.bias, 0)
        w = self.x_embedder.weight.data
        nn.init.xavier_uniform_(w.view([w.shape[0], -1]))
        nn.init.constant_(self.x_embedder.bias, 0)
        nn.init.normal_(self.y_embedder.weight, std=0.02)
        nn.init.normal_(self.t_embedder[0].weight, std=0.02)
        nn.init.normal_(self.t_embedder[2].weight, std=0.02)
        for block in self.blocks:
            zero_module(block.adaLN_modulation[-1])
        zero_module(self.final_modulation[-1])
        zero_module(self.final)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        size = x.shape[-1]
        x = self.x_embedder(x).flatten(2).transpose(1, 2) + self.pos_embed
        c = self.t_embedder(timestep_embedding(t, 64)) + self.y_embedder(y)
        for block in self.blocks:
            x = block(x, c)
        x = self.final(modulate(self.norm(x), *self.final_modulation(c).chunk(2, dim=1)))
        return F.fold(x.transpose(1, 2), size, self.patch, stride=self.patch)


def predict_class_noise(generator: Generator) -> Drawn:
    x, timesteps, noise, labels = noisy(generator, 16)
    return (x, timesteps, labels), lambda output: F.mse_loss(output, noise)


NETS = (
    everyday("diffusion-unet", "diffusion U-Net", DiffusionUNet, predict_noise),
    everyday("dit", "diffusion transformer", DiT, predict_class_noise),
)
