"""More tasks: drawn shapes, points on surfaces, tones, the noise in an image. Every batch is new."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from .tasks import Batch, noisy_blobs

SHAPES, SURFACES, TONES = 6, 6, 10
POINTS, SAMPLES = 64, 512


def shapes(generator: Generator, count: int, held_out: bool) -> Batch:
    """Images (3 x 16 x 16) of one shape of random color, size and position, with a little noise."""
    labels = torch.randint(SHAPES, (count,), generator=generator)
    middle = 6.5 + 2 * torch.rand(2, count, 1, 1, generator=generator)
    size = 4.5 + 2 * torch.rand(count, 1, 1, generator=generator)
    line = torch.arange(16.0)
    x, y = (line - middle[0]) / size, (line[:, None] - middle[1]) / size
    drawn = _drawn(*torch.broadcast_tensors(x, y))[torch.arange(count), labels]
    color = 0.5 + torch.rand(count, 3, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(count, 3, 16, 16, generator=generator)
    return (color * drawn[:, None] + noise - 0.25) / 0.5, labels


def _drawn(x: Tensor, y: Tensor) -> Tensor:
    """Return every shape around the origin, with a radius of about 1: ``(samples, SHAPES, 16, 16)``."""
    radius, widest, narrowest = (x * x + y * y).sqrt(), torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
    inside = (
        radius < 1,
        (radius < 1) & (radius > 0.6),
        (widest < 1) & (narrowest < 0.3),
        (widest < 1) & ((x.abs() - y.abs()).abs() < 0.4),
        (y.abs() < 1) & (2 * x.abs() < y + 1),
        (widest < 1) & (y.abs() > 0.35),
    )
    return torch.stack(inside, 1).float()


def clouds(generator: Generator, count: int, held_out: bool) -> Batch:
    """Points ``(3, POINTS)`` on a surface that is rotated around its axis and stretched; the class is the surface."""
    labels = torch.randint(SURFACES, (count,), generator=generator)
    u, v, w = 2 * torch.rand(3, count, POINTS, generator=generator) - 1
    points = _surfaces(u, v, w)[torch.arange(count), labels]
    points = points * (0.7 + 0.6 * torch.rand(count, 3, 1, generator=generator))
    turn = math.pi * torch.rand(count, 1, generator=generator)
    a, b, height = points.unbind(1)
    turned = torch.stack([turn.cos() * a - turn.sin() * b, turn.sin() * a + turn.cos() * b, height], 1)
    return turned + 0.05 * torch.randn(turned.shape, generator=generator), labels


def _surfaces(u: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """Return a sphere, a cylinder, a cone, a torus, a cube and a saddle: ``(samples, SURFACES, 3, POINTS)``."""
    cos, sin, tube = (math.pi * u).cos(), (math.pi * u).sin(), math.pi * v
    round_ = (1 - v * v).sqrt()
    ring = 0.7 + 0.3 * tube.cos()
    widest = torch.stack([u, v, w]).abs().amax(0)
    found = (
        (round_ * cos, round_ * sin, v),
        (0.8 * cos, 0.8 * sin, v),
        ((1 - v) / 2 * cos, (1 - v) / 2 * sin, v),
        (ring * cos, ring * sin, 0.3 * tube.sin()),
        (0.75 * u / widest, 0.75 * v / widest, 0.75 * w / widest),
        (u, v, u * u - v * v),
    )
    return torch.stack([torch.stack(xyz, 1) for xyz in found], 1)


def tones(generator: Generator, count: int, held_out: bool) -> Batch:
    """Sounds ``(1, SAMPLES)`` of one of ten pitches with random overtones, detuned and noisy."""
    labels = torch.randint(TONES, (count,), generator=generator)
    tuning = 1 + 0.03 * (2 * torch.rand(count, generator=generator) - 1)
    pitch = 0.015 * 2 ** (labels / 3) * tuning  # in periods per sample
    overtones = torch.arange(1.0, 4.0)[:, None]
    phase = 2 * math.pi * torch.rand(count, 3, 1, generator=generator)
    strength = torch.rand(count, 3, 1, generator=generator) / overtones
    strength[:, 0] = 1
    waves = (2 * math.pi * pitch[:, None, None] * overtones * torch.arange(SAMPLES) + phase).sin()
    sound = (strength * waves).sum(1, keepdim=True)
    return sound + 0.5 * torch.randn(sound.shape, generator=generator), labels


def spots(generator: Generator, count: int, held_out: bool) -> Batch:
    """Images (16 x 16) of three bright spots, which are also the target."""
    _, clean = noisy_blobs(generator, count, held_out)
    return clean, clean


def diffused(generator: Generator, count: int, held_out: bool) -> Batch:
    """Spots mixed with noise by a cosine schedule, with the time in a second channel; the target is the noise."""
    _, clean = noisy_blobs(generator, count, held_out)
    noise = torch.randn(clean.shape, generator=generator)
    time = torch.rand(count, 1, 1, 1, generator=generator)
    mixed = (time * math.pi / 2).cos() * clean + (time * math.pi / 2).sin() * noise
    return torch.cat([mixed, time.expand_as(mixed)], 1), noise
