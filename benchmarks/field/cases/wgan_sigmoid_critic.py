"""timsainb/tensorflow2-generative-models#16: the critic of a WGAN-GP ends in a sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

PIXELS, HIDDEN, NOISE = 64, 64, 16
IMAGES = torch.rand(10, PIXELS, generator=generator(-1)).round()


class WassersteinGan(nn.Module):
    """The half of the training in which the generator is held fixed and the critic trains."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(NOISE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS), nn.Sigmoid())
        self.generator.requires_grad_(False)
        self.critic = nn.Sequential(
            nn.Linear(PIXELS, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)
        )
        self.output = nn.Linear(HIDDEN, 1)
        self.activation = nn.Sigmoid() if broken else nn.Identity()

    def score(self, images: Tensor) -> Tensor:
        return self.activation(self.output(self.critic(images))).squeeze(1)

    def forward(self, images: Tensor, noise: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of real and of generated images, and the gradient norms at mixtures of the two."""
        fakes = self.generator(noise)
        with torch.enable_grad():
            mixed = (weights * images + (1 - weights) * fakes).requires_grad_()
            (slope,) = torch.autograd.grad(self.score(mixed).sum(), mixed, create_graph=True)
        return self.score(images), self.score(fakes), slope.norm(dim=1)


def batch(i: int) -> Batch:
    g = generator(i)
    images = IMAGES[torch.randint(0, len(IMAGES), (64,), generator=g)]
    flipped = torch.rand(64, PIXELS, generator=g) < 0.1
    images = torch.where(flipped, 1 - images, images)
    noise, weights = torch.randn(64, NOISE, generator=g), torch.rand(64, 1, generator=g)

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        real, fake, norms = output
        return fake.mean() - real.mean() + 10 * ((norms - 1) ** 2).mean()

    return (images, noise, weights), loss


CASE = Case(
    name="wgan_sigmoid_critic",
    source="timsainb/tensorflow2-generative-models#16",
    fault="A sigmoid follows the critic, so its scores cannot differ by more than 1, however far apart the images are.",
    build=WassersteinGan,
    batch=batch,
    rules=("IH208", "IH205"),
    layers=("output", "activation"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
    fresh=True,
)
