"""Faults as data: where each applies, what it changes, its root-cause layers, and the rules that may report it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .changes import (
    aligned,
    bias_of,
    both_factors_zero,
    default,
    detach,
    double_softmax,
    duplicated,
    each,
    every,
    has_biases,
    has_head,
    has_norms,
    has_tokens,
    has_units,
    head_times,
    loud_embedding,
    loud_inputs,
    nan,
    norms_times,
    one,
    plain,
    several,
    three,
    unscaled_ends,
)
from .hosts import Subject


@dataclass(frozen=True)
class Fault:
    """``inject`` changes the subject and returns the root-cause layers, empty if there are none.

    ``lasting``: units or layers are lost permanently, so an error is correct even if the task can be learned without
    them.
    """

    name: str
    codes: tuple[str, ...]  # each of them is a correct rule for this fault
    applies: Callable[[Subject], bool]
    inject: Callable[[Subject], Sequence[str]]
    lasting: bool = False


SCALE = ("IH106", "IH108", "IH201", "IH202", "IH209", "IH301", "IH302")
ALIKE = ("IH104", "IH105", "IH206", "IH305")


def scaled(scope: str, choose: Callable[[Subject], list[str]], applies: Callable[[Subject], bool]) -> list[Fault]:
    factors = (("1/100", 0.01), ("1/8", 0.125), ("x8", 8.0), ("x100", 100.0))
    return [
        Fault(f"{scope} {text}", SCALE, applies, each(choose, lambda w, factor=factor: w.mul_(factor)))
        for text, factor in factors
    ]


FAULTS: tuple[Fault, ...] = (
    *scaled("one", one, plain),
    *scaled("three", three, several),
    *scaled("all", every, plain),
    Fault("one zero", ("IH103",), plain, each(one, lambda w: w.zero_()), lasting=True),
    Fault("all zero", ("IH103",), plain, each(every, lambda w: w.zero_()), lasting=True),
    Fault("one constant", ALIKE, plain, each(one, lambda w: w.fill_(0.02)), lasting=True),
    Fault("all constant", ALIKE, plain, each(every, lambda w: w.fill_(0.02)), lasting=True),
    Fault("half duplicated", ALIKE, has_units, duplicated(0.5), lasting=True),
    Fault("all duplicated", ALIKE, has_units, duplicated(1.0), lasting=True),
    Fault("units aligned", ALIKE, plain, each(one, aligned)),
    Fault("bias -20", ("IH204", "IH205", "IH206"), has_biases, bias_of(-20.0)),
    Fault("bias +10", ("IH204", "IH205", "IH206"), has_biases, bias_of(10.0)),
    Fault("norm x10", SCALE, has_norms, norms_times(10.0, lambda s: [s.middle(s.norms)])),
    Fault("norm zero", ("IH103",), has_norms, norms_times(0.0, lambda s: [s.middle(s.norms)]), lasting=True),
    Fault("norms .02", SCALE, has_norms, norms_times(0.02, lambda s: s.norms)),
    Fault("embedding x50", (*SCALE, "IH208"), has_tokens, loud_embedding),
    Fault("head x100", (*SCALE, "IH208"), has_head, head_times(100.0)),
    Fault("head zero", ("IH103",), has_head, head_times(0.0)),
    Fault("detached", ("IH304",), lambda s: plain(s) and bool(s.host.end and s.host.head), detach, lasting=True),
    Fault("nan", ("IH101",), plain, nan),
    Fault("default init", SCALE, lambda s: s.host.deep, each(every, default)),
    Fault("all N(0, 1)", (*SCALE, "IH205", "IH208"), plain, each(every, lambda w: w.normal_())),
    Fault("all N(0, .02)", SCALE, plain, each(every, lambda w: w.normal_(std=0.02))),
    Fault("all U(0, 1)", (*SCALE, *ALIKE, "IH205", "IH208"), plain, each(every, lambda w: w.uniform_())),
    Fault("ends unscaled", SCALE, lambda s: bool(s.host.branch_ends), unscaled_ends),
    Fault("inputs x255", ("IH210",), lambda s: not has_tokens(s), loud_inputs),
    Fault("double softmax", ("IH208",), lambda s: s.host.task.loss.__name__ == "cross_entropy", double_softmax),
    Fault("both factors zero", ("IH103",), lambda s: s.host.adapters, both_factors_zero, lasting=True),
)
