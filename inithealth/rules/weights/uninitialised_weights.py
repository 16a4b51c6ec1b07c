from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.missed_init import DEFAULT, Missed, MissedLimits, missed_by_scheme
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.wording import number, span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit

_FOLLOW = frozenset(f"IH{code}" for code in (*range(201, 211), *range(301, 306), 405, 406, 407))
_ABOUT_WEIGHTS = frozenset("IH101 IH103 IH104 IH105 IH106 IH107 IH108 IH109".split())


class UninitialisedWeights(MissedLimits, Rule):
    """Weights hold what was in the memory before, or what their class put there by default.

    ## What it checks
    Two things. Memory that nothing was written to (`torch.empty`, `to_empty()`,
    `init_module(empty_init=True)`): values below 1e-20 that are not zero, values beyond 1e10 beside much
    smaller ones, and networks that are zero throughout, norm weights included, as fresh pages are. Rows
    that have faded as a whole, as dead units do in long training, are exempt, and so are trained layers.
    Memory that was reused from a freed tensor looks like any other weight: that cannot be told.
    And an initialization that missed (a warning): weights still exactly at PyTorch's default, where the
    other layers of the same class in the same module follow one other scheme.

    ## Why it matters
    Garbage changes from run to run: it may train today and be NaN tomorrow. An initialization without
    effect (a tensor handed to a helper that wants a module, `.data` of a weight that weight_norm computes
    anew in every call) is noticed by nobody.

    ## How to fix
    Initialize the named weights: call the reset of each module after `to_empty()`.

    ## When to ignore
    The warning, where a layer was left at the default on purpose.

    ## References
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html (to_empty);
    https://github.com/jik876/hifi-gan/issues/145; https://github.com/open-mmlab/mmdetection/issues/6432
    """

    code = "IH102"
    name = "uninitialised-weights"
    severity = Severity.ERROR
    rank: ClassVar[int] = -1  # before NaN: it may be part of the garbage
    missed_rank: ClassVar[int] = 29  # before the scale, which is the default's
    max_tiny_share: float = limit(
        0.0,
        "share of values between 0 and 1e-20: no initialization draws a single one",
        unit="share of elements",
    )
    max_value: float = limit(
        1e10,
        "largest value of a weight: initializations draw far smaller ones, unwritten memory goes up to 1e38",
        unit="value",
    )
    min_spike: float = limit(
        8.0,
        "least largest value over the rms, where a value beyond max_value stands out; a matrix that is huge throughout "
        "was scaled. Of few elements 0.6 times the root of their number is enough",
        unit="ratio",
    )
    min_line: int = limit(
        4, "fewest elements of a row or column that may have faded as one, as dead units do", unit="elements"
    )
    max_std_ratio: float = limit(
        1.2,
        "largest over smallest std of weights that the fix draws with one std: small weights of one std differ by a "
        "tenth",
        unit="ratio",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        garbage = list(self._garbage(recording))
        if garbage:
            yield self._never_written(garbage)
        elif unwritten := _zero_throughout(recording):
            yield self._zero_pages(unwritten)
        in_vain = [layer for layer in recording.layers if _in_vain(layer, recording)]
        if in_vain:
            yield self._lost(in_vain, recording)
        for missed in missed_by_scheme(recording, self):
            if not set(map(id, missed.layers)) <= set(map(id, in_vain)):
                yield self._missed(missed)

    def order(self, finding: Finding) -> int:
        return self.rank if finding.severity == Severity.ERROR else self.missed_rank

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        if cause.severity == Severity.ERROR:
            return symptom.code in _FOLLOW | _ABOUT_WEIGHTS
        return symptom.code == "IH106" and set(symptom.layers) <= set(cause.layers)

    def _garbage(self, recording: Recording) -> Iterator[tuple[Layer, Weight, str]]:
        """(layer, its weight or bias, what is wrong with it)."""
        trained = trained_layers(recording)
        for layer in recording.layers:
            for parameter in (layer.weight, layer.bias):
                if parameter is None:
                    continue
                if parameter.abs_max > self.max_value and _mixed(parameter, self.min_spike):
                    told = f"values up to {number(parameter.abs_max)} (limit {number(self.max_value)})"
                    yield layer, parameter, told
                elif parameter.tiny_share > self.max_tiny_share and not _faded(
                    layer, parameter, trained, self.min_line
                ):
                    values = f"{parameter.tiny_share:.2g} of the values are not zero and yet below 1e-20"
                    yield layer, parameter, f"{values} (limit {self.max_tiny_share:g})"

    def _never_written(self, garbage: list[tuple[Layer, Weight, str]]) -> Finding:
        layers = list({layer.name: layer for layer, _, _ in garbage}.values())
        first, parameter, told = garbage[0]
        where = f"in {parameter.name} " if len(garbage) > 1 else ""
        drawn = [layer for layer, each, _ in garbage if each is layer.weight]
        shifts = [layer for layer, each, _ in garbage if each is layer.bias]
        absurd = parameter.abs_max > self.max_value
        return self.finding(
            [first, *(layer for layer in layers if layer is not first)],
            f"{span(layers)}: memory that nothing was written to: {where}{told}",
            measured=parameter.abs_max if absurd else parameter.tiny_share,
            limit=self.max_value if absurd else self.max_tiny_share,
            cause=f"no initialization draws such numbers: the {verb(len(layers), 'tensor was', 'tensors were')} "
            "allocated (torch.empty, to_empty) and never filled",
            fix="\n".join(filter(None, (fixes.each(drawn), fixes.zero_biases(shifts)))),
        )

    def _zero_pages(self, layers: list[Layer]) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: all zero, the norm weights too",
            measured=0.0,
            cause="nothing starts norm weights at zero throughout: fresh memory is zero, and nothing was written to it",
            fix=fixes.each(layers),
        )

    def _lost(self, layers: list[Layer], recording: Recording) -> Finding:
        weights = [weight for _, weight in weighted(layers)]
        stds = [recording.lost_writes[weight.name] for weight in weights]
        std, rms = median(stds), weights[0].rms
        if max(stds) < self.max_std_ratio * min(stds):
            stds = [std] * len(stds)
        return self.finding(
            layers,
            f"{span(layers)}: still at PyTorch's default, rms {number(rms)}: what was written to the weight "
            f"(std {number(std)}) is lost",
            severity=Severity.WARNING,
            measured=rms,
            cause="weight_norm makes the weight anew in every call, of a size and a direction that were left alone",
            fix=fixes.redraw(layers, stds),
        )

    def _missed(self, missed: Missed) -> Finding:
        follow = f"{len(missed.followers)} other {missed.kind} layers there"
        return self.finding(
            missed.layers,
            f"{span(missed.layers)}: still at PyTorch's default, where {follow} start as {missed.scheme} "
            f"(left out: {missed.share:.0%}, limit {self.max_missed_share:.0%})",
            severity=Severity.WARNING,
            measured=missed.share,
            limit=self.max_missed_share,
            cause="an initialization had no effect here: it skips what it does not know, or writes to a copy",
            fix=fixes.redraw(missed.layers, missed.stds),
        )


def _in_vain(layer: Layer, recording: Recording) -> bool:
    """Whether an initialization was written where it has no effect; a checkpoint loaded is no such thing."""
    default = layer.scheme is not None and layer.scheme.name == DEFAULT
    return default and layer.parameter in recording.lost_writes


def _mixed(parameter: Weight, least: float) -> bool:
    """Whether the largest value stands far out of the others; a matrix that is huge throughout has been scaled."""
    if len(parameter.shape) < 2 or not math.isfinite(parameter.rms):
        return True
    return parameter.abs_max > min(least, 0.6 * math.sqrt(math.prod(parameter.shape))) * parameter.rms


def _faded(layer: Layer, parameter: Weight, trained: frozenset[str], shortest: int) -> bool:
    """Whether tiny values are what long training, or a formula, makes of weights."""
    if layer.name in trained or (not parameter.trainable and layer.kind in ("scale", "other")):
        return True
    if len(parameter.shape) < 2:
        return bool(trained)
    amount = math.prod(parameter.shape)
    lengths = (amount // parameter.shape[0], amount // math.prod(parameter.shape[1:]))
    tiny = round(parameter.tiny_share * amount)
    return tiny < amount and any(length >= shortest and tiny % length == 0 for length in lengths)


def _zero_throughout(recording: Recording) -> list[Layer]:
    """All layers of a network that holds nothing but zeros, where it has norms to tell."""
    layers = [layer for layer, _ in recording.weighted]
    parameters = [each for layer in layers for each in (layer.weight, layer.bias) if each is not None]
    zero = all(parameter.abs_max == 0.0 and not parameter.non_finite for parameter in parameters)
    return layers if zero and any(layer.kind == "norm" for layer in layers) else []
