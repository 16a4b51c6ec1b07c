from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import ClassVar

from inithealth.evidence import fixes, unfilled_buffers
from inithealth.evidence.missed_init import DEFAULT, Missed, MissedLimits, missed_by_scheme
from inithealth.evidence.odd_biases import BiasLimits, OddBias, odd_biases
from inithealth.evidence.odd_slices import OddSlices, SliceLimits, odd_slices
from inithealth.evidence.unwritten import Garbage, UnwrittenLimits, garbage, zero_throughout
from inithealth.evidence.wording import number, span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, UnfilledBuffer, weighted
from inithealth.rules.base import Rule, limit
from inithealth.rules.bias import BIAS, caused_by_bias
from inithealth.rules.causality import Stage

_CONSTANT = "constant"  # the variant of buffers at zero, which make what they multiply constant
_MISSED = "missed"  # the variant of layers that an initialization did not reach
_FOLLOW = frozenset(f"IH{code}" for code in (*range(201, 211), *range(301, 306), 405, 406, 407))
_ABOUT_WEIGHTS = frozenset("IH101 IH103 IH104 IH105 IH106 IH107 IH108 IH109".split())
_FOLLOW_BIASES = frozenset("IH201 IH204 IH205 IH206 IH207 IH208 IH301 IH406".split())


class UninitialisedWeights(UnwrittenLimits, MissedLimits, BiasLimits, SliceLimits, Rule):
    """Weights were never initialized, or a custom initialization did not reach them.

    ## What it checks
    First, uninitialized memory (`torch.empty`, `to_empty()`, `init_module(empty_init=True)`): values below
    1e-20 that are not zero, values above 1e10 next to much smaller ones, and networks whose weights are all
    zero, including normalization weights (newly allocated memory is often zero). Trained layers are exempt,
    and so are rows whose values are all tiny: long training produces them in dead units. Memory reused from
    a freed tensor cannot be detected, since it looks like any other weight. `check` also finds buffers and
    frozen parameters that were never filled: those at zero that multiply positions, or what a sine or
    cosine is computed of, and those with values of uninitialized memory that the forward pass uses.
    Second, an initialization that missed layers (a warning): weights that still have PyTorch's default,
    although the other layers of the same class in the same module follow another scheme, and biases that are
    constant while those of their peers are drawn, or the other way round. In a stack of matrices, such as
    experts, those with another scale than most.

    ## Why it matters
    Uninitialized memory differs from run to run: the network may train once and give NaN the next time. An
    initialization without effect raises no error. Examples are a tensor passed to a function that expects a
    module, or a write to the `.data` of a weight that weight_norm recomputes in every call.

    ## How to fix
    Initialize the named weights: call `reset_parameters()` of each module after `to_empty()`. Fill buffers
    that are not persistent too: no checkpoint contains them.

    ## When to ignore
    Ignore the warning for layers that intentionally keep the default.

    ## References
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html (to_empty);
    https://github.com/jik876/hifi-gan/issues/145; https://github.com/open-mmlab/mmdetection/issues/6432
    """

    code = "IH102"
    name = "uninitialised-weights"
    severity = Severity.ERROR
    rank = Stage.UNINITIALIZED
    variant_ranks: ClassVar[Mapping[str, int]] = {BIAS: Stage.MISSED_BIAS, _MISSED: Stage.MISSED_WEIGHTS}
    max_std_ratio: float = limit(
        1.2,
        "largest over smallest std of weights for which the fix uses a single std: the stds of small weights from the "
        "same distribution differ by 10%",
        unit="ratio",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        written = list(garbage(recording, self))
        if written:
            yield self._never_written(written)
        elif unwritten := zero_throughout(recording):
            yield self._zero_pages(unwritten)
        for use in dict.fromkeys(each.use for each in recording.unfilled):
            yield self._unfilled([each for each in recording.unfilled if each.use == use])
        overwritten = [layer for layer in recording.layers if _is_overwritten(layer, recording)]
        if overwritten:
            yield self._overwritten(overwritten, recording)
        for missed in missed_by_scheme(recording, self):
            if not set(map(id, missed.layers)) <= set(map(id, overwritten)):
                yield self._missed(missed)
        for odd in odd_biases(recording, self):
            yield self._odd_bias(odd)
        for stack in odd_slices(recording, self):
            yield self._odd_slices(stack)

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        if caused_by_bias(cause):
            return symptom.code in _FOLLOW_BIASES
        if cause.variant == _CONSTANT:
            return False
        if cause.variant != _MISSED:
            return symptom.code in _FOLLOW | _ABOUT_WEIGHTS
        return symptom.code == "IH106" and set(symptom.layers) <= set(cause.layers)

    def _never_written(self, found: list[Garbage]) -> Finding:
        layers = list({each.layer.name: each.layer for each in found}.values())
        first = found[0]
        where = f"in {first.parameter.name} " if len(found) > 1 else ""
        weights = [each.layer for each in found if each.parameter is each.layer.weight]
        biases = [each.layer for each in found if each.parameter is each.layer.bias]
        return self.finding(
            [first.layer, *(layer for layer in layers if layer is not first.layer)],
            f"{span(layers)}: uninitialized memory: {where}{first.values}",
            measured=first.measured,
            limit=first.limit,
            cause=f"no initialization produces such values: the {verb(len(layers), 'tensor was', 'tensors were')} "
            "allocated (torch.empty, to_empty) but never filled",
            fix=fixes.joined(fixes.each(weights), fixes.zero_biases(biases)),
        )

    def _unfilled(self, buffers: list[UnfilledBuffer]) -> Finding:
        return self.finding(
            [],
            unfilled_buffers.message(buffers),
            layers=tuple(dict.fromkeys(each.module for each in buffers)),
            source=buffers[0].source,
            measured=buffers[0].abs_max,
            variant="" if buffers[0].use == "values" else _CONSTANT,
            cause=unfilled_buffers.cause(buffers),
            fix=unfilled_buffers.fix(buffers),
        )

    def _zero_pages(self, layers: list[Layer]) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: all weights are zero, including normalization weights",
            measured=0.0,
            cause="no initialization sets all normalization weights to zero; newly allocated memory is often zero",
            fix=fixes.each(layers),
        )

    def _overwritten(self, layers: list[Layer], recording: Recording) -> Finding:
        weights = [weight for _, weight in weighted(layers)]
        stds = [recording.lost_writes[weight.name] for weight in weights]
        std, rms = median(stds), weights[0].rms
        if max(stds) < self.max_std_ratio * min(stds):
            stds = [std] * len(stds)
        return self.finding(
            layers,
            f"{span(layers)}: the weight still has PyTorch's default (rms {number(rms)}): values written to it "
            f"(std {number(std)}) were overwritten",
            severity=Severity.WARNING,
            measured=rms,
            variant=_MISSED,
            cause="weight_norm recomputes the weight in every call from weight_g and weight_v, which were not changed",
            fix=fixes.redraw(layers, stds),
        )

    def _missed(self, missed: Missed) -> Finding:
        others = f"{len(missed.followers)} other {missed.kind} layers of the module"
        return self.finding(
            missed.layers,
            f"{span(missed.layers)}: the initialization is PyTorch's default, but {others} are initialized with "
            f"{missed.scheme} (missed: {missed.share:.0%}, limit {self.max_missed_share:.0%})",
            severity=Severity.WARNING,
            measured=missed.share,
            limit=self.max_missed_share,
            variant=_MISSED,
            cause="the custom initialization had no effect here: it skips this layer, or writes to a copy",
            fix=fixes.redraw(missed.layers, missed.stds),
        )

    def _odd_bias(self, odd: OddBias) -> Finding:
        distance = f"rms difference {number(odd.distance)}, limit {number(self.min_bias_distance)}"
        return self.finding(
            [odd.layer],
            f"{odd.name}: {odd.found}, but {len(odd.followers)} other biases of its kind are {odd.usual} ({distance})",
            severity=Severity.WARNING,
            measured=odd.distance,
            limit=self.min_bias_distance,
            variant=BIAS,
            cause="bias of another kind than those of its peers: an initialization reached only some of them",
            fix=odd.fix,
        )

    def _odd_slices(self, odd: OddSlices) -> Finding:
        share = len(odd.places) / odd.layer.shape[0]
        which = ", ".join(map(str, odd.places[:3])) + (" ..." if len(odd.places) > 3 else "")
        return self.finding(
            [odd.layer],
            f"{odd.layer.parameter}[{which}]: rms {number(odd.rms)}, but most matrices of this stack have "
            f"{number(odd.usual)} (missed: {share:.0%}, limit {self.max_odd_slices:.0%})",
            severity=Severity.WARNING,
            measured=share,
            limit=self.max_odd_slices,
            variant=_MISSED,
            cause="the initialization of the other matrices skips these",
            fix=odd.fix,
        )


def _is_overwritten(layer: Layer, recording: Recording) -> bool:
    """Whether an initialization was overwritten and the weight is at the default; a loaded checkpoint is not."""
    default = layer.scheme is not None and layer.scheme.name == DEFAULT
    return default and layer.parameter in recording.lost_writes
