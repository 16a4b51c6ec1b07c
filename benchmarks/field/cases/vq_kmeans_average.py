"""lucidrains/vector-quantize-pytorch#66: k-means sets the codes' running sums to their means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CODES, SIZE, PIXELS, SAMPLES, DECAY = 16, 8, 24, 128, 0.8
PROTOTYPES = torch.randn(CODES, PIXELS, generator=generator(-1))


class Codebook(nn.Module):
    """The codes are running sums of the vectors nearest to them, divided by running counts."""

    embed: Tensor
    embed_sum: Tensor
    counts: Tensor
    started: Tensor

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.register_buffer("embed", torch.zeros(CODES, SIZE))
        self.register_buffer("embed_sum", torch.zeros(CODES, SIZE))
        self.register_buffer("counts", torch.zeros(CODES))
        self.register_buffer("started", torch.tensor(False))
        self.broken = broken

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """K-means, from vectors drawn at random."""
        self.embed.copy_(vectors[torch.randperm(len(vectors))[:CODES]])
        for _ in range(10):
            counts, sums = assigned(vectors, self.nearest(vectors))
            means = sums / counts.clamp(min=1)[:, None]
            self.embed.copy_(torch.where(counts[:, None] > 0, means, self.embed))
            self.counts.copy_(counts)
        self.embed_sum.copy_(self.embed if self.broken else self.embed * self.counts[:, None])
        self.started.fill_(True)

    @torch.no_grad()
    def update(self, vectors: Tensor, chosen: Tensor) -> None:
        counts, sums = assigned(vectors, chosen)
        self.counts.lerp_(counts, 1 - DECAY)
        self.embed_sum.lerp_(sums, 1 - DECAY)
        total = self.counts.sum()
        smoothed = (self.counts + 1e-5) / (total + CODES * 1e-5) * total
        self.embed.copy_(self.embed_sum / smoothed[:, None])

    def nearest(self, vectors: Tensor) -> Tensor:
        return torch.cdist(vectors, self.embed).argmin(1)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        if not self.started:
            self.start(vectors)
        chosen = self.nearest(vectors)
        quantized = self.embed[chosen].clone()
        if torch.is_grad_enabled():
            self.update(vectors.detach(), chosen)
        return vectors + (quantized - vectors).detach(), ((vectors - quantized) ** 2).mean()


def assigned(vectors: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """How many vectors chose each code, and their sums."""
    picked = nn.functional.one_hot(chosen, CODES).to(vectors.dtype)
    return picked.sum(0), picked.T @ vectors


class VqVae(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 48), nn.ReLU(), nn.Linear(48, SIZE))
        self.codebook = Codebook(broken)
        self.decoder = nn.Sequential(nn.Linear(SIZE, 48), nn.ReLU(), nn.Linear(48, PIXELS))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        quantized, commitment = self.codebook(self.encoder(samples))
        return self.decoder(quantized), commitment


def batch(i: int) -> Batch:
    g = generator(i)
    kind = torch.randint(0, CODES, (SAMPLES,), generator=g)
    samples = PROTOTYPES[kind] + 0.2 * torch.randn(SAMPLES, PIXELS, generator=g)
    return (samples,), lambda output: ((output[0] - samples) ** 2).mean() + output[1]


CASE = Case(
    name="vq_kmeans_average",
    source="lucidrains/vector-quantize-pytorch#66",
    fault="K-means stores means where sums are expected, so the first update divides the codes by their counts.",
    build=VqVae,
    batch=batch,
    rules=("IH106", "IH201", "IH207", "IH403"),
    layers=("codebook",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
    fresh=True,
)
