"""The changes that faults make to a network: where they apply, which layers they change and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .hosts import Subject

Weights = list[Tensor]
Choice = Callable[[Subject], list[str]]  # names of layers


def matrices(subject: Subject, name: str) -> Weights:
    """Return the weights of a module without its biases."""
    module = subject.model.get_submodule(name)
    return [p for p in module.parameters(recurse=False) if p.ndim > 1]


def biases(subject: Subject, name: str) -> Weights:
    module = subject.model.get_submodule(name)
    return [p for key, p in module.named_parameters(recurse=False) if "bias" in key]


def each(choose: Choice, change: Callable[[Tensor], object]) -> Callable[[Subject], list[str]]:
    """Return a change of every matrix of the chosen layers."""

    def inject(subject: Subject) -> list[str]:
        names = choose(subject)
        for name in names:
            for weight in matrices(subject, name):
                change(weight)
        return names

    return inject


def one(subject: Subject) -> list[str]:
    return [subject.middle(subject.body)]


def three(subject: Subject) -> list[str]:
    body = subject.body
    start = min(max(0, body.index(subject.middle(body)) - 1), len(body) - 3)
    return body[start : start + 3]


def every(subject: Subject) -> list[str]:
    return subject.weights


def ends(subject: Subject) -> list[str]:
    return list(subject.host.branch_ends)


def plain(subject: Subject) -> bool:
    return not subject.host.adapters


def several(subject: Subject) -> bool:
    return plain(subject) and len(subject.body) > 3


def has_norms(subject: Subject) -> bool:
    return bool(subject.norms)


def has_head(subject: Subject) -> bool:
    return plain(subject) and bool(subject.host.head)


def has_units(subject: Subject) -> bool:
    return bool(subject.host.units)


def has_biases(subject: Subject) -> bool:
    return plain(subject) and bool(_biased(subject))


def has_tokens(subject: Subject) -> bool:
    return isinstance(subject.model.get_submodule(subject.host.stem), nn.Embedding)


def duplicated(share: float) -> Callable[[Subject], Sequence[str]]:
    """Make units copies of the first ones, with equal biases and equal weights in the reader layer."""

    def inject(subject: Subject) -> Sequence[str]:
        for name in subject.host.units:
            for parameter in subject.model.get_submodule(name).parameters():
                parameter.copy_(parameter[_sources(len(parameter), share)])
        for weight in matrices(subject, subject.host.reader):
            weight.copy_(weight[:, _sources(weight.shape[1], share)])
        return subject.host.units

    return inject


def _sources(units: int, share: float) -> Tensor:
    """Return the index of the unit that each unit copies, so ``share`` of the units are lost."""
    return torch.arange(units) % max(1, round(units * (1 - share)))


def _biased(subject: Subject) -> list[str]:
    return [name for name in subject.body if biases(subject, name)]


def bias_of(value: float) -> Choice:
    def inject(subject: Subject) -> list[str]:
        name = subject.middle(_biased(subject))
        for bias in biases(subject, name):
            bias.fill_(value)
        return [name]

    return inject


def aligned(weight: Tensor) -> None:
    """Make all units nearly parallel, with 10 % noise; the rms is preserved."""
    rms = weight.square().mean().sqrt()
    weight.copy_(weight[:1] + 0.1 * weight)
    weight.mul_(rms / weight.square().mean().sqrt())


def norms_times(factor: float, choose: Choice) -> Callable[[Subject], list[str]]:
    def inject(subject: Subject) -> list[str]:
        names = choose(subject)
        for name in names:
            subject.model.get_submodule(name).weight.mul_(factor)
        return names

    return inject


def head_times(factor: float) -> Choice:
    return each(lambda subject: [subject.host.head], lambda w: w.mul_(factor))


def loud_embedding(subject: Subject) -> list[str]:
    return each(lambda s: [s.host.stem], lambda w: w.mul_(50.0))(subject)


def cut(module: nn.Module, inputs: object, output: Any) -> Any:
    """A forward hook that detaches a module's output from the graph."""
    return (output[0].detach(), *output[1:]) if isinstance(output, tuple) else output.detach()


def detach(subject: Subject) -> list[str]:
    """Detach the graph before the head."""
    names = [name for name, _ in subject.model.named_modules() if name]
    subject.model.get_submodule(subject.host.end).register_forward_hook(cut)
    return [name for name in names if name != subject.host.head]


def nan(subject: Subject) -> list[str]:
    names = one(subject)
    matrices(subject, names[0])[0].view(-1)[3] = float("nan")
    return names


def default(weight: Tensor) -> None:
    nn.init.kaiming_uniform_(weight, a=5**0.5)


def loud_inputs(subject: Subject) -> list[str]:
    subject.prepare = lambda x: x * 255.0
    return []


def double_softmax(subject: Subject) -> list[str]:
    subject.finish = lambda output: output.softmax(-1)
    return [subject.host.head or subject.host.end, subject.host.stem]


def both_factors_zero(subject: Subject) -> list[str]:
    names = [name for name in subject.weights if name.endswith((".a", ".b"))]
    return each(lambda s: names, lambda w: w.zero_())(subject)


def unscaled_ends(subject: Subject) -> list[str]:
    return each(ends, lambda w: w.mul_(len(subject.host.branch_ends) ** 0.5))(subject)
