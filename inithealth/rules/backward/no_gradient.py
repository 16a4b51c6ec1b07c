from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.blocked import Blocked, blocked
from inithealth.evidence.prognosis import Prognosis, prognosis
from inithealth.evidence.trial import Trial
from inithealth.evidence.wording import called, names_of, span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, ZeroFactor
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage

_FOLLOWS = frozenset("IH201 IH204 IH206 IH207 IH208 IH301 IH304 IH406".split())
_ZEROS = "constants at zero"  # the variant if they stop the gradient


class NoGradient(Rule):
    """Trainable weights receive no gradient.

    ## What it checks
    Five cases. Detached: the loss depends on the layer (scaling its weights changes the loss), but the
    autograd graph does not reach it. Zero gradient: the gradient is exactly zero at steps 0 to 4, because
    an operation has zero slope. Blocked: the same, and the loss does not depend on the weights either, as
    after a multiplication by zero; buffers, frozen parameters and numbers that are exactly zero are named.
    This is an error if it affects much of the network. Unused: the layer is not in the graph of the loss;
    this is info. Flat: the loss contains a second derivative of the network, as in physics-informed
    networks, and all activations are piecewise linear. A zero gradient through a softmax over a single
    element is expected and not reported.

    ## Why it matters
    The optimizer does not change the layer, as if it were frozen, and no error is raised.

    ## How to fix
    Remove the `.detach()`, `.data`, `no_grad` or numpy conversion downstream of the layer. Give buffers at
    zero their values: `to_empty` erases buffers that no initialization writes again. Freeze unused weights
    that are not supposed to train.

    ## When to ignore
    For modules that another loss trains in another step, and for parts that a schedule adds later.

    ## References
    https://docs.pytorch.org/docs/stable/notes/autograd.html
    """

    code = "IH304"
    name = "no-gradient"
    severity = Severity.ERROR
    rank = Stage.NO_GRADIENT
    variant_ranks: ClassVar[Mapping[str, int]] = {_ZEROS: Stage.CONSTANTS_AT_ZERO}
    explains = frozenset({"IH406"})
    max_blocked: float = limit(
        0.5,
        "largest share of the matrices that may be blocked without a twin that trains: more is the network, and not an "
        "auxiliary part of it",
        unit="share of the trainable matrices",
    )
    max_blocked_by_zeros: float = limit(
        0.25,
        "the same if buffers or frozen parameters at zero are known to block them",
        unit="share of the trainable matrices",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        layers = {layer.name: layer for layer in recording.layers}
        detached = [layers[name] for name in recording.detached if name in layers]
        if detached:
            last = detached[-1]
            yield self.finding(
                # The operation that cuts the graph is downstream of the last of them.
                [last, *detached[:-1]],
                f"{span(detached)}: the loss depends on the output, but no gradient reaches the weights",
                cause=f"the graph is cut after {called(last)}: detach, no_grad, .data or numpy",
                fix=f"remove the .detach() (or no_grad, .data, .item()) applied to the output of {called(last)}",
            )
        if recording.flat:
            yield self._flat(recording)
        found, outlook = blocked(recording), prognosis(recording)
        if found.by_zeros:
            yield self._by_zeros(found, outlook)
        if found.stopped:
            yield self._stopped(list(found.stopped), outlook)
        if found.idle:
            yield self._idle(found, outlook)
        selecting = [layer for layer, weight in recording.weighted if layer.only_selects and weight.trainable]
        if selecting:
            yield self._only_selects(selecting)
        unused = [layers[name] for name in recording.unused if name in layers]
        if unused:
            yield self.finding(
                unused,
                f"{span(unused)}: the loss does not depend on {verb(len(unused), 'this layer', 'these layers')}",
                severity=Severity.INFO,
                cause="never called for this batch, or the output is not used",
                fix=f"# if this is intentional:\n{fixes.freeze(unused)}",
            )

    def _flat(self, recording: Recording) -> Finding:
        name = recording.flat
        layers = [layer for layer in recording.layers if layer.activation == name]
        return self.finding(
            layers,
            f"{span(layers) if layers else 'the network'}: the loss contains a second derivative of the network, which "
            "is exactly zero",
            measured=0.0,
            cause=f"{name} is piecewise linear: its second derivative is zero, and that term has no gradient",
            fix=f"replace {name} by an activation with a second derivative: nn.Tanh(), nn.SiLU() or nn.Softplus()",
        )

    def may_follow(self, symptom: Finding) -> bool:
        """Whether the finding can be a consequence: a zero gradient can, a cut graph or an unused layer cannot."""
        return symptom.measured == 0.0

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether another finding follows; of constants at zero, everything that a blocked signal causes."""
        if cause.variant == _ZEROS:
            if symptom.code in ("IH103", "IH104", "IH105", "IH305", "IH401"):
                return bool(set(symptom.layers) & set(cause.layers))
            return symptom.code in _FOLLOWS
        return super().accounts_for(cause, symptom)

    def _by_zeros(self, found: Blocked, outlook: Prognosis) -> Finding:
        layers, names = list(found.by_zeros), [name for factor in found.factors for name in factor.names]
        most = self.max_blocked_by_zeros if names else self.max_blocked
        severity = self._severity(found.by_zeros, outlook, most, known=bool(names))
        severity = severity or (outlook.severity_without_gradient(recovers=True) if names else Severity.INFO)
        what = _described(found.factors)
        fix = f"# or the values that the constructor writes:\n{fixes.ones(names)}"
        if not names:
            fix = f"look for a factor of zero, or a mask of everything, downstream of {called(layers[-1])}"
        elif any(factor.matrix for factor in found.factors):
            fix = f"give {names_of(names)} the values that the constructor writes"
        return self.finding(
            layers,
            f"{span(layers)}: the gradient is exactly zero {self._when(outlook.trial)}: {what} "
            f"{verb(len(names) or 1, 'is exactly zero and multiplies', 'are exactly zero and multiply')} the signal",
            severity=severity,
            measured=0.0,
            variant=_ZEROS,
            cause=f"nothing changes {what} in training, and no signal or gradient passes where it multiplies by zero",
            fix=fix,
        )

    def _stopped(self, stopped: list[Layer], outlook: Prognosis) -> Finding:
        last = stopped[-1]
        # An output beside others, without a loss or with one of weight zero.
        beside = any(layer.head for layer in stopped) and outlook.trains_beside(stopped)
        spared = beside or outlook.trains_without(stopped)
        spared = spared and outlook.share_of(stopped) <= self.max_blocked
        return self.finding(
            # The operation that stops the gradient is downstream of the last of them.
            [last, *stopped[:-1]],
            f"{span(stopped)}: the gradient is exactly zero {self._when(outlook.trial)}",
            severity=outlook.severity_without_gradient(recovers=spared),
            measured=0.0,
            cause=f"an operation between {called(last)} and the loss has zero slope for all inputs",
            fix=f"look for a dead or zero layer, or a sign, round or argmax, downstream of {called(last)}",
        )

    def _only_selects(self, layers: list[Layer]) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: the output only selects an element, whose weight is then normalized to 1: no gradient "
            "reaches the selection",
            severity=Severity.WARNING,
            measured=0.0,
            cause="a softmax or a division over the one selected element is 1 for all inputs",
            fix="normalize over all elements before the selection: weight, index = logits.softmax(-1).topk(1)",
        )

    def _idle(self, found: Blocked, outlook: Prognosis) -> Finding:
        layers = list(found.idle)
        return self.finding(
            # The operation that blocks them is downstream of the last of them.
            [layers[-1], *layers[:-1]],
            f"{span(layers)}: the gradient is exactly zero {self._when(outlook.trial)}, and changing the weights does "
            "not change the loss of this batch",
            severity=self._severity(found.idle, outlook, self.max_blocked) or Severity.INFO,
            measured=0.0,
            cause=f"the output of {called(layers[-1])} or of an operation downstream is zero for all inputs, or its "
            "loss has a weight of zero",
            fix=f"look for a dead or zero layer, a mask, or a loss of zero, downstream of {called(layers[-1])}",
        )

    def _severity(
        self, layers: tuple[Layer, ...], outlook: Prognosis, most: float, *, known: bool = False
    ) -> Severity | None:
        """Return the severity of blocked layers that the network cannot train without; None for others.

        Args:
            most: largest share of the matrices that may be blocked.
            known: whether buffers or frozen parameters block them. Otherwise they may be a part beside the network, as
                the tower of an input that this batch does not have, unless they are its residual branches.
        """
        # An output beside another one, as that of the layers which a progressively grown network fades in.
        output = any(layer.head for layer in layers)
        much = outlook.share_of(layers) > most and (known or layers[0].reads_trunk) and not output
        recovers = outlook.trains_beside(layers) and not much
        return None if recovers else outlook.severity_without_gradient()

    @staticmethod
    def _when(trial: Trial) -> str:
        return f"in {trial.steps} steps" if trial.settled else "so far"


def _described(factors: Sequence[ZeroFactor]) -> str:
    """Return the constants by name: ``the buffer scale``, ``a number in the code``."""
    parts = []
    for text in dict.fromkeys(factor.text for factor in factors):
        names = [name for factor in factors if factor.text == text for name in factor.names]
        nouns = f"{text}s"
        known = f"the {text if len(names) == 1 else nouns} {names_of(names, nouns)}"
        parts.append(known if names else f"a {text}")
    return " and ".join(parts)
