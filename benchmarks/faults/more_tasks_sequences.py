"""More tasks: text classification, waves, chains with a topic, clicks, Friedman's function, image reconstruction."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .tasks import Batch, digits

WORDS, LENGTH, SIDES = 24, 12, 4  # for the texts
SAMPLES, TONES = 32, 6  # for the waves
TOPICS, TERMS, SOURCE, ANSWER = 2, 32, 12, 12  # for the chains with a topic
TABLES = (12, 10, 8, 6)  # number of users, items, ... in each table of the clicks
DENSE = 8


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return the loss for one logit per sample and integer targets 0 and 1."""
    return F.binary_cross_entropy_with_logits(output.squeeze(-1), target.float())


def waves(generator: Generator, count: int, held_out: bool) -> Batch:
    """Noisy sines of random phase, ``(count, 1, SAMPLES)``; the class is the frequency."""
    y = torch.randint(TONES, (count,), generator=generator)
    cycles = 1.5 * 1.4**y + 0.2 * torch.rand(count, generator=generator)
    phase = torch.rand(count, 1, generator=generator)
    time = torch.arange(SAMPLES) / SAMPLES
    clean = (2 * math.pi * (cycles[:, None] * time + phase)).sin() * 2**0.5
    return (clean + 0.4 * torch.randn(clean.shape, generator=generator))[:, None], y


def topic_chain(generator: Generator, count: int, held_out: bool) -> Batch:
    """A source, followed by the answer so far; the target is the answer.

    The answer is a chain in which the successor of a term depends on the topic. The source shows the topic: most of its
    terms are from the topic's half of the terms.
    """
    fixed = Generator().manual_seed(17)
    successors = torch.stack([torch.randperm(TERMS, generator=fixed) for _ in range(TOPICS)])
    topic = torch.randint(TOPICS, (count, 1), generator=generator)
    half = TERMS // TOPICS
    usual = torch.rand(count, SOURCE, generator=generator) < 0.9
    side = torch.where(usual, topic, 1 - topic)
    source = side * half + torch.randint(half, (count, SOURCE), generator=generator)
    chain = [torch.randint(TERMS, (count,), generator=generator)]
    for _ in range(ANSWER):
        chain.append(successors[topic[:, 0], chain[-1]])
    answer = torch.stack(chain, 1)
    return torch.cat([source, answer[:, :-1]], 1), answer[:, 1:]


def clicks(generator: Generator, count: int, held_out: bool) -> Batch:
    """Dense features, followed by an index into each table; a click depends on both and on pairs."""
    fixed = Generator().manual_seed(19)
    tastes = [torch.randn(size, 3, generator=fixed) for size in TABLES]
    slope = torch.randn(DENSE, generator=fixed) / DENSE**0.5
    dense = torch.randn(count, DENSE, generator=generator)
    indices = [torch.randint(size, (count,), generator=generator) for size in TABLES]
    user, item, *others = (taste[index] for taste, index in zip(tastes, indices, strict=True))
    score = 2 * dense @ slope + 0.5 * (user * item).sum(1) + sum(other[:, 0] for other in others)
    return torch.cat([dense, torch.stack(indices, 1).float()], 1), (score > 0).long()


def friedman(generator: Generator, count: int, held_out: bool) -> Batch:
    """Friedman's first function (1991) of ten uniform variables, five of which matter; all standardized."""
    x = torch.rand(count, 10, generator=generator)
    y = 10 * (math.pi * x[:, 0] * x[:, 1]).sin() + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return (x - 0.5) * 12**0.5, (y[:, None] - 14.4) / 4.9


def copied_digits(generator: Generator, count: int, held_out: bool) -> Batch:
    """The digit images are their own targets."""
    x, _ = digits(64)(generator, count, held_out)
    return x, x


def picture(generator: Generator, count: int, held_out: bool) -> Batch:
    """Coordinates (-1 to 1) in one fixed image, a sum of plane waves, and the brightness there."""
    fixed = Generator().manual_seed(23)
    direction = torch.randn(2, 12, generator=fixed) * 4
    phase = torch.rand(12, generator=fixed) * 2 * math.pi
    places = torch.rand(count, 2, generator=generator) * 2 - 1
    return places, (places @ direction + phase).sin().sum(1, keepdim=True) / 6**0.5


def recent_votes(generator: Generator, count: int, held_out: bool) -> Batch:
    """The class at every position is the sum of the votes of the words so far, weighted towards recent words."""
    votes = torch.randn(WORDS, SIDES, generator=Generator().manual_seed(29))
    x = torch.randint(WORDS, (count, LENGTH), generator=generator)
    each, total, targets = (votes - votes.mean(0))[x], torch.zeros(count, SIDES), []
    for position in range(LENGTH):
        total = 0.7 * total + each[:, position]
        targets.append(total.argmax(1))
    return x, torch.stack(targets, 1)


def verdict(generator: Generator, count: int, held_out: bool) -> Batch:
    """One class for the whole text: the sum of its words' votes, with increasing weight for later ones."""
    x, targets = recent_votes(generator, count, held_out)
    return x, targets[:, -1]
