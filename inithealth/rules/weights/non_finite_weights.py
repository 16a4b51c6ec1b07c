from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.wording import count, span
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule

_MOST_NAMES = 3


class NonFiniteWeights(Rule):
    """A weight contains NaN or infinite values.

    ## What it checks
    All parameters, for NaN and infinite elements.

    ## Why it matters
    One such element makes the output, the loss and all gradients NaN, and the network cannot train.

    ## How to fix
    Initialize the named weight. Look for a division by zero in a custom initialization, or for
    uninitialized memory (`torch.empty`, `to_empty`).

    ## When to ignore
    Never.

    ## References
    IEEE 754 arithmetic.
    """

    code = "IH101"
    name = "non-finite-weights"
    severity = Severity.ERROR
    rank: ClassVar[int] = 0
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH201 IH202 IH203 IH204 IH205 IH206 IH208 IH301 IH302 IH303 IH304 IH305 IH405".split()
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        bad = [
            (layer, parameter)
            for layer in recording.layers
            for parameter in (layer.weight, layer.bias)
            if parameter is not None and parameter.non_finite
        ]
        if not bad:
            return
        layers = list({layer.name: layer for layer, _ in bad}.values())
        broken = [layer for layer, parameter in bad if parameter is layer.weight]
        shifted = [layer for layer, parameter in bad if parameter is layer.bias]
        values = sum(parameter.non_finite for _, parameter in bad)
        names = list(dict.fromkeys(parameter.name for _, parameter in bad))
        more = f" and {count(len(names) - _MOST_NAMES, 'other parameter')}" if len(names) > _MOST_NAMES else ""
        yield self.finding(
            layers,
            f"{span(layers)}: {count(values, 'NaN or infinite value')} in {', '.join(names[:_MOST_NAMES])}{more}",
            measured=float(values),
            limit=0.0,
            cause="the initialization produced these values, or the memory was never initialized",
            fix="\n".join(filter(None, (fixes.each(broken), fixes.zero_biases(shifted)))),
        )
