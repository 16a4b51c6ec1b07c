from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from inithealth.evidence import fixes, forward_writes
from inithealth.evidence.forward_writes import Written
from inithealth.evidence.wording import called, count, span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Weight
from inithealth.rules.base import Rule
from inithealth.rules.causality import Stage

_MOST_NAMES = 3
_PASSED_ON = "passed on"  # the variant if a forward pass computes a parameter from an input that is not finite

Pair = tuple[Layer, Weight]


class NonFiniteWeights(Rule):
    """A weight contains NaN or infinite values.

    ## What it checks
    All parameters, for NaN and infinite elements. Values that the forward pass itself wrote, as a data-dependent
    initialization does in its first call, are reported with the channels that do not vary in the batch.

    ## Why it matters
    One such element makes the output, the loss and all gradients NaN, and the network cannot train.

    ## How to fix
    Initialize the named weight. Look for a division by zero in a custom initialization, or for
    uninitialized memory (`torch.empty`, `to_empty`). A data-dependent initialization must limit the spread that
    it divides by.

    ## When to ignore
    Never.

    ## References
    IEEE 754 arithmetic.
    """

    code = "IH101"
    name = "non-finite-weights"
    severity = Severity.ERROR
    rank = Stage.NON_FINITE_WEIGHTS
    variant_ranks: ClassVar[Mapping[str, int]] = {_PASSED_ON: Stage.VANISHING_GRADIENTS}  # after the activations
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH201 IH202 IH203 IH204 IH205 IH206 IH208 IH301 IH302 IH303 IH304 IH305 IH405".split()
    )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        return cause.variant != _PASSED_ON and super().accounts_for(cause, symptom)

    def check(self, recording: Recording) -> Iterator[Finding]:
        bad = [
            (layer, parameter)
            for layer in recording.layers
            for parameter in (layer.weight, layer.bias)
            if parameter is not None and parameter.non_finite
        ]
        stored = [pair for pair in bad if forward_writes.written(recording, *pair) is None]
        if stored:  # what the forward pass computes from them follows
            broken = [layer for layer, parameter in stored if parameter is layer.weight]
            shifted = [layer for layer, parameter in stored if parameter is layer.bias]
            yield self._found(
                stored,
                cause="the initialization produced these values, or the memory was never initialized",
                fix=fixes.joined(fixes.each(broken), fixes.zero_biases(shifted)),
            )
        else:
            root = forward_writes.first_broken(recording)
            if bad or (root is not None and any(step.broken for step in recording.steps[:1])):
                yield self._written(bad, root)

    def _written(self, bad: list[Pair], root: Written | None) -> Finding:
        """Return the finding on values that the forward pass wrote.

        Args:
            root: the parameter that it wrote first; None if the input of the module was not finite.
        """
        if root is None:
            name = called(min(bad, key=lambda pair: pair[0].index)[0])
            cause = f"not finite before {name}, which sets its parameters from its input"
            fix = f"find the operation upstream of {name} that gives NaN or infinite values"
        else:
            cause, fix = forward_writes.why(root), forward_writes.fix(root)
        found = self._found(bad, cause=cause, fix=fix, by=", written by the forward pass", root=root)
        return found.model_copy(update={"variant": _PASSED_ON if root is None else ""})

    def _found(self, bad: list[Pair], *, cause: str, fix: str, by: str = "", root: Written | None = None) -> Finding:
        layers = list({layer.name: layer for layer, _ in bad}.values())
        numbers = {parameter.name: parameter.non_finite for _, parameter in bad}
        where = span(layers)
        if root is not None and root.module not in (layer.module for layer in layers):
            where = ", ".join(filter(None, (forward_writes.module(root), where)))
            numbers = {root.name: root.how.broken, **numbers}
        names, values = list(numbers), sum(numbers.values())
        more = f" and {count(len(names) - _MOST_NAMES, 'other parameter')}" if len(names) > _MOST_NAMES else ""
        found = self.finding(
            layers,
            f"{where}: {count(values, 'NaN or infinite value')} in {', '.join(names[:_MOST_NAMES])}{more}{by}",
            measured=float(values),
            limit=0.0,
            cause=cause,
            fix=fix,
        )
        if root is None or root.module in found.layers:
            return found
        return found.model_copy(update={"layers": (root.module, *found.layers)})
