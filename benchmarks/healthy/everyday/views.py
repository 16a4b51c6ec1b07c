"""Healthy networks with contrastive objectives: triplets, contrast, predicted views, prototypes, two modalities."""

from __future__ import annotations

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

FEATURES = 32


def encoder(width: int = 128, outputs: int = 64) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(FEATURES, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
        nn.Linear(width, outputs), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class Siamese(nn.Module):
    """The same encoder for both inputs; a linear layer predicts their distance."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Sequential(
            nn.Linear(FEATURES, 128), nn.ReLU(inplace=True), nn.Linear(128, 64), nn.Sigmoid()
        )
        self.head = nn.Linear(64, 1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head((self.embedding(left) - self.embedding(right)).abs()).squeeze(1)


class Triplet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(FEATURES, 128), nn.PReLU(), nn.Linear(128, 128), nn.PReLU(), nn.Linear(128, 16)
        )

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, ...]:
        return tuple(F.normalize(self.fc(x), dim=-1) for x in (anchor, positive, negative))


class Contrast(nn.Module):
    """SimCLR: an encoder and a projector with BatchNorm, the last one without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = encoder()
        self.projector = nn.Sequential(
            nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32, bias=False),
            nn.BatchNorm1d(32),
        )  # fmt: skip

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return F.normalize(self.projector(self.encoder(torch.cat([left, right]))), dim=1)


class PredictedViews(nn.Module):
    """SimSiam: each view predicts the projection of the other view, which gets no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = encoder()
        self.projector = nn.Sequential(
            nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64, bias=False),
            nn.BatchNorm1d(64, affine=False),
        )  # fmt: skip
        self.predictor = nn.Sequential(
            nn.Linear(64, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Linear(16, 64)
        )

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        z1, z2 = self.projector(self.encoder(left)), self.projector(self.encoder(right))
        return self.predictor(z1), self.predictor(z2), z1.detach(), z2.detach()


class TwoModalities(nn.Module):
    """CLIP's heads: projections without biases, cosines multiplied by a learned scale that starts at 1 / 0.07."""

    def __init__(self, width: int = 64, shared: int = 32) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Linear(FEATURES, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width))
        self.token_embedding = nn.Embedding(64, width)
        self.ln_final = nn.LayerNorm(width)
        self.visual_projection = nn.Parameter(width**-0.5 * torch.randn(width, shared))
        self.text_projection = nn.Parameter(torch.empty(width, shared))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.text_projection, std=width**-0.5)
        self.logit_scale = nn.Parameter(torch.ones([]) * log(1 / 0.07))

    def forward(self, pictures: Tensor, words: Tensor) -> Tensor:
        left = F.normalize(self.visual(pictures) @ self.visual_projection, dim=-1)
        right = F.normalize(self.ln_final(self.token_embedding(words).mean(1)) @ self.text_projection, dim=-1)
        return self.logit_scale.exp() * left @ right.T


def siamese() -> Case:
    left, right, kind = draws.views(128)
    other = torch.arange(128).roll(1)
    moved = torch.arange(128) % 2 == 0
    same = torch.where(moved, (kind == kind[other]).float(), torch.ones(128))
    right = torch.where(moved[:, None], right[other], right)
    return Case(Siamese(), (left, right), lambda logit: F.binary_cross_entropy_with_logits(logit, same))


def triplet() -> Case:
    anchor, positive, _ = draws.views(kinds=256, noise=0.8)
    loss = nn.TripletMarginLoss(margin=1.0)
    return Case(Triplet(), (anchor, positive, positive.roll(1, 0)), lambda out: loss(*out))


def contrastive() -> Case:
    left, right, _ = draws.views(64, kinds=256)

    def loss(z: Tensor) -> Tensor:
        similar = (z @ z.T / 0.5).masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
        return F.cross_entropy(similar, torch.arange(len(z)).roll(len(z) // 2))

    return Case(Contrast(), (left, right), loss)


def predicted_views() -> Case:
    left, right, _ = draws.views(64, kinds=256)

    def loss(out: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        p1, p2, z1, z2 = out
        return -(F.cosine_similarity(p1, z2).mean() + F.cosine_similarity(p2, z1).mean()) / 2

    return Case(PredictedViews(), (left, right), loss)


def prototypes() -> Case:
    """A few-shot episode: eight ways, four shots; queries are classified by distances to the means of the shots."""
    left, right, kind = draws.views(256, kinds=8, noise=1.0)
    shots = torch.cat([(kind == way).nonzero()[:8, 0] for way in range(8)])
    samples = torch.stack([left[shots], right[shots]], 1).view(8, 16, FEATURES)
    model = nn.Sequential(nn.Linear(FEATURES, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))

    def loss(codes: Tensor) -> Tensor:
        support, query = codes.view(8, 16, -1).split([4, 12], 1)
        distances = torch.cdist(query.flatten(0, 1), support.mean(1)) ** 2
        return F.cross_entropy(-distances, torch.arange(8).repeat_interleave(12))

    return Case(model, samples.flatten(0, 1), loss)


def two_modalities() -> Case:
    """The words encode the position of the image in each of four directions."""
    pictures, _ = draws.vectors()
    places = (pictures @ torch.randn(FEATURES, 4, generator=draws.fixed(2)) / FEATURES**0.5 * 4 + 8).long().clamp(0, 15)
    words = places + 16 * torch.arange(4)

    def loss(logits: Tensor) -> Tensor:
        own = torch.arange(len(logits))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2

    return Case(TwoModalities(), {"pictures": pictures, "words": words}, loss)


NETS: tuple[Net, ...] = (
    Net("everyday/vector_siamese", "siamese encoder", siamese),
    Net("everyday/triplet", "siamese encoder", triplet),
    Net("everyday/vector_simclr", "contrastive encoder", contrastive),
    Net("everyday/vector_simsiam", "contrastive encoder", predicted_views),
    Net("everyday/prototypes", "prototypes", prototypes),
    Net("everyday/two_modalities", "two modalities", two_modalities),
)
