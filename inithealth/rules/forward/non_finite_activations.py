from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from inithealth.evidence import singular
from inithealth.evidence.fixes import LOWER_RATE
from inithealth.evidence.wording import called, count, number, seen_at
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording, Step
from inithealth.rules.base import Rule
from inithealth.rules.causality import Stage

_OVERFLOW = "overflow"  # the variant if the layer's input is finite


class NonFiniteActivations(Rule):
    """Activations are NaN or infinite.

    ## What it checks
    The first layer, in forward order, whose output is not finite.

    ## Why it matters
    The loss and all gradients become NaN, and the network cannot train.

    ## How to fix
    Check the named layer for an overflow in half precision, a logarithm or square root of zero, or a
    division by a norm near zero.

    ## When to ignore
    Never.

    ## References
    https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
    """

    code = "IH203"
    name = "non-finite-activations"
    severity = Severity.ERROR
    rank = Stage.NON_FINITE_ACTIVATIONS
    # An overflow can be a consequence of large weights, a division by zero one of dead units.
    variant_ranks: ClassVar[Mapping[str, int]] = {
        _OVERFLOW: Stage.UNITS,
        singular.DEAD: Stage.SYMMETRY,
        singular.OVERFLOW: Stage.SYMMETRY,
    }
    explains = frozenset("IH101 IH201 IH202 IH208 IH301 IH302 IH303 IH304 IH405".split())

    def check(self, recording: Recording) -> Iterator[Finding]:
        order = {layer.name: layer for layer in recording.layers}
        for step in recording.steps:
            bad = [(order[m.layer], m) for m in step.layers if m.layer in order and m.output and m.output.non_finite]
            if bad:
                yield self._first(sorted(bad, key=lambda pair: pair[0].index), step, recording)
                return

    def _first(self, bad: list[tuple[Layer, Measurement]], at: Step, recording: Recording) -> Finding:
        step = at.index
        layer, m = bad[0]
        passed_on = _input_is_broken(layer, m, recording)
        known, fix = ("", "") if step else (singular.description(recording), singular.fix(recording))
        values = m.output.non_finite if m.output else 0
        others = f"; also in the output of {count(len(bad) - 1, 'downstream layer')}" if len(bad) > 1 else ""
        when = seen_at(at)
        return self.finding(
            [layer for layer, _ in bad],
            f"{called(layer)}: {count(values, 'NaN or infinite value')} in the output{when}{others}",
            step=step,
            measured=float(values),
            limit=0.0,
            variant="" if step else _variant(recording, passed_on=passed_on),
            cause=f"finite until step {step}: the training diverged"
            if step
            else self._cause(layer, m, passed_on, known),
            fix=LOWER_RATE if step else self._fix(layer, passed_on, fix),
        )

    @staticmethod
    def _cause(layer: Layer, m: Measurement, passed_on: bool, known: str) -> str:
        if passed_on:
            what = f": {known}" if known else ""
            return f"its input is not finite either: an upstream operation without weights produced these values{what}"
        top = f" (largest input {number(m.input.abs_max)})" if m.input is not None else ""
        return f"an overflow or an undefined operation in {called(layer)}{top}"

    @staticmethod
    def _fix(layer: Layer, passed_on: bool, known: str) -> str:
        if passed_on:
            return known or f"add an epsilon to the logarithms, roots and divisions before {called(layer)}"
        return f"check what {called(layer)} computes from its input; run in float32 to find out if it is an overflow"


def _input_is_broken(layer: Layer, m: Measurement, recording: Recording) -> bool:
    """Whether a layer's input is not finite; of a layer without a measured input, if its module wrote a parameter."""
    write = recording.forward_writes.get(layer.parameter)
    return m.input.non_finite > 0 if m.input is not None else write is not None and write.broken_input


def _variant(recording: Recording, *, passed_on: bool) -> str:
    return singular.variant(recording) if passed_on else _OVERFLOW
