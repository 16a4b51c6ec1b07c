"""Encoders that learn from pairs of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_convs import ResNet
from .pictures_draws import handwriting, pictures


def views(generator: Generator, count: int, size: int = 16) -> tuple[Tensor, Tensor]:
    """Return two crops of every image, with noise and different contrast."""
    whole = pictures(generator, count, size + 8, classes=count)[0]
    crops = []
    for _ in range(2):
        top, left = torch.randint(9, (2,), generator=generator).tolist()
        contrast = 0.7 + 0.6 * torch.rand(count, 1, 1, 1, generator=generator)
        crop = whole[:, :, top : top + size, left : left + size] * contrast
        crops.append(crop + 0.2 * torch.randn(crop.shape, generator=generator))
    return crops[0], crops[1]


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.PReLU(), nn.MaxPool2d(2, stride=2), nn.Conv2d(32, 64, 5), nn.PReLU(),
            nn.MaxPool2d(2, stride=2),
        )  # fmt: skip
        sizes = nn.Linear(64 * 4 * 4, 128), nn.Linear(128, 64), nn.Linear(64, 8)
        self.fc = nn.Sequential(sizes[0], nn.PReLU(), sizes[1], nn.PReLU(), sizes[2])

    def forward(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        return self.fc(self.convnet(one).flatten(1)), self.fc(self.convnet(other).flatten(1))


def contrastive(generator: Generator) -> Drawn:
    """Hadsell, Chopra and LeCun: equal digits are attracted, others are repelled up to a margin."""
    images, labels = handwriting(generator, 64, 28)
    order = torch.where(torch.rand(64, generator=generator) < 0.5, _mates(labels), torch.arange(64).roll(1))
    same = (labels == labels[order]).float()

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        square = (output[0] - output[1]).pow(2).sum(1)
        apart = F.relu(1.0 - (square + 1e-9).sqrt()).pow(2)
        return 0.5 * (same * square + (1 - same) * apart).mean()

    return (images, images[order]), loss


def _mates(labels: Tensor) -> Tensor:
    """Return the next sample of the same class for every sample, or the sample itself."""
    alike = (labels[:, None] == labels[None]).float()
    near = torch.arange(len(labels)).roll(-1)
    return (alike - torch.eye(len(labels)) + 0.1 * torch.eye(len(labels))[near]).argmax(1)


class SimCLR(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = ResNet()
        self.encoder.fc = nn.Identity()
        self.projector = nn.Sequential(nn.Linear(128, 128, bias=False), nn.ReLU(), nn.Linear(128, 64, bias=False))

    def forward(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        return self.projector(self.encoder(one)), self.projector(self.encoder(other))


def nt_xent(generator: Generator) -> Drawn:
    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        z = F.normalize(torch.cat(output), dim=1)
        similar = (z @ z.T / 0.5).masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
        return F.cross_entropy(similar, torch.arange(len(z)).roll(len(z) // 2))

    return views(generator, 16), loss


def base_encoder(code: int = 64) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, code)
    )


class MoCo(nn.Module):
    """Logits of each query against its key and a queue of other keys; the key encoder is a frozen copy."""

    def __init__(self, queue: int = 256, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature
        self.encoder_q, self.encoder_k = base_encoder(), base_encoder()
        for param_q, param_k in zip(self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True):
            param_k.data.copy_(param_q.data)
            param_k.requires_grad = False
        self.register_buffer("queue", F.normalize(torch.randn(64, queue), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def _momentum_update_key_encoder(self, m: float = 0.99) -> None:
        for param_q, param_k in zip(self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True):
            param_k.data = param_k.data * m + param_q.data * (1.0 - m)

    @torch.no_grad()
    def _dequeue_and_enqueue(self, keys: Tensor) -> None:
        ptr = int(self.queue_ptr)
        self.queue[:, ptr : ptr + len(keys)] = keys.T
        self.queue_ptr[0] = (ptr + len(keys)) % self.queue.shape[1]

    def forward(self, im_q: Tensor, im_k: Tensor) -> Tensor:
        q = F.normalize(self.encoder_q(im_q), dim=1)
        with torch.no_grad():
            self._momentum_update_key_encoder()
            k = F.normalize(self.encoder_k(im_k), dim=1)
        positive = torch.einsum("nc,nc->n", q, k).unsqueeze(-1)
        negative = torch.einsum("nc,ck->nk", q, self.queue.clone().detach())
        self._dequeue_and_enqueue(k)
        return torch.cat([positive, negative], dim=1) / self.temperature


def info_nce(generator: Generator) -> Drawn:
    one, other = views(generator, 32)
    batch = {"im_q": one, "im_k": other}
    return batch, lambda logits: F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


NETS = (
    everyday("siamese", "siamese encoder", Siamese, contrastive),
    everyday("simclr", "contrastive encoder", SimCLR, nt_xent),
    everyday("moco", "contrastive encoder", MoCo, info_nce),
)
