"""Faults that occur in real code: wrong signs, uninitialized memory, missing and repeated operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .changes import (
    Choice,
    biases,
    cut,
    each,
    ends,
    every,
    has_head,
    has_norms,
    has_tokens,
    matrices,
    one,
    plain,
    several,
)
from .faults import ALIKE, SCALE, Fault
from .hosts import Subject

GONE = ("IH103", "IH204", "IH206", "IH207")


def first(subject: Subject) -> list[str]:
    return [subject.weights[0]]


def has_ends(subject: Subject) -> bool:
    return bool(subject.host.branch_ends)


def has_inputs(subject: Subject) -> bool:
    return not has_tokens(subject)


def classifies(subject: Subject) -> bool:
    return subject.host.task.loss.__name__ == "cross_entropy"


def with_biases(subject: Subject) -> bool:
    return plain(subject) and any(biases(subject, name) for name in subject.weights)


def rank_one(weight: Tensor) -> None:
    """Replace the weight by an outer product of random signs with the same rms."""
    rms, rows = weight.square().mean().sqrt(), weight.flatten(1)
    weight.copy_((torch.randn(len(rows), 1).sign() * torch.randn(1, rows.shape[1])).view_as(weight) * rms)


def garbage(weight: Tensor) -> None:
    """Fill the weight as uninitialized memory does: mostly zeros, with some remaining data."""
    flat = weight.view(-1)
    flat.zero_()
    flat[::7] = 3e-39
    flat[5 % len(flat)] = 2e21


def spike(weight: Tensor) -> None:
    weight.view(-1)[7 % weight.numel()] = 1e3


def sparse(weight: Tensor) -> None:
    """Set 19 of 20 elements to zero, like a mask that was not removed."""
    weight.mul_(torch.rand_like(weight) < 0.05)


def xavier(weight: Tensor) -> None:
    nn.init.xavier_normal_(weight)


def all_biases(value: float) -> Choice:
    def inject(subject: Subject) -> list[str]:
        names = [name for name in subject.weights if biases(subject, name)]
        for name in names:
            for bias in biases(subject, name):
                bias.fill_(value)
        return names

    return inject


def alternating(subject: Subject) -> list[str]:
    """Scale the layers alternately ten times too large and too small, so the product is unchanged."""
    for place, name in enumerate(subject.body[: len(subject.body) // 2 * 2]):
        for weight in matrices(subject, name):
            weight.mul_(10.0 if place % 2 else 0.1)
    return subject.body


def norms_zero(subject: Subject) -> list[str]:
    for name in subject.norms:
        subject.model.get_submodule(name).weight.zero_()
    return subject.norms


def tokens_to(change: Callable[[Tensor], object]) -> Choice:
    return each(lambda subject: [subject.host.stem], change)


def inputs(change: Callable[[Tensor], Tensor]) -> Choice:
    def inject(subject: Subject) -> list[str]:
        subject.prepare = change
        return []

    return inject


def loud_logits(subject: Subject) -> list[str]:
    """Multiply the logits by a temperature that was intended as a divisor."""
    subject.finish = lambda output: output * 100.0
    return [subject.host.head or subject.host.end, subject.host.stem]


def half_detached(subject: Subject) -> Sequence[str]:
    """Detach the graph in the middle of the body."""
    before = subject.body[: len(subject.body) // 2 + 1]
    subject.model.get_submodule(before[-1]).register_forward_hook(cut)
    return [*before, subject.host.stem, *subject.norms]


BUGS: tuple[Fault, ...] = (
    Fault("first 1/100", SCALE, plain, each(first, lambda w: w.mul_(0.01))),
    Fault("first x100", SCALE, plain, each(first, lambda w: w.mul_(100.0))),
    Fault("all 1/3", SCALE, plain, each(every, lambda w: w.div_(3.0))),
    Fault("all x3", SCALE, plain, each(every, lambda w: w.mul_(3.0))),
    Fault("alternating x10", SCALE, several, alternating),
    Fault("all Xavier", SCALE, lambda s: s.host.deep, each(every, xavier)),
    Fault("one positive", (*ALIKE, *SCALE, "IH204", "IH207"), plain, each(one, lambda w: w.abs_())),
    Fault("all positive", (*ALIKE, *SCALE, "IH204", "IH207"), plain, each(every, lambda w: w.abs_())),
    Fault("one negative", (*GONE, *ALIKE), plain, each(one, lambda w: w.abs_().neg_())),
    Fault("one of rank 1", ("IH206", "IH207"), plain, each(one, rank_one)),
    Fault("one sparse", SCALE, plain, each(one, sparse)),
    Fault("garbage", ("IH102", "IH101"), plain, each(one, garbage)),
    Fault("spike", ("IH102", *SCALE), plain, each(one, spike)),
    Fault("infinite bias", ("IH101",), with_biases, all_biases(float("inf"))),
    Fault("biases 1", (*GONE, "IH205"), with_biases, all_biases(1.0)),
    Fault("norms zero", ("IH103", "IH102"), has_norms, norms_zero, lasting=True),
    Fault("ends x10", SCALE, has_ends, each(ends, lambda w: w.mul_(10.0))),
    Fault("tokens zero", ("IH103",), has_tokens, tokens_to(lambda w: w.zero_()), lasting=True),
    Fault("tokens constant", ALIKE, has_tokens, tokens_to(lambda w: w.fill_(0.02)), lasting=True),
    Fault("head constant", ALIKE, has_head, each(lambda s: [s.host.head], lambda w: w.fill_(0.02))),
    Fault("inputs + 100", ("IH210",), has_inputs, inputs(lambda x: x + 100.0)),
    Fault("inputs 1/1000", ("IH210",), has_inputs, inputs(lambda x: x / 1000.0)),
    Fault("logits x100", ("IH208",), classifies, loud_logits),
    Fault("half detached", ("IH304",), lambda s: several(s) and bool(s.host.head), half_detached, lasting=True),
)
