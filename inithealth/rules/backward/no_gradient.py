from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.units import inactive_by_chance
from inithealth.evidence.wording import called, span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule


class NoGradient(Rule):
    """Trainable weights that no gradient reaches.

    ## What it checks
    Detached: the layer's values reach the loss (scaling its weights changes it) though no gradient can
    come back. Asleep: the gradient is exactly zero at steps 0 to 4. Unused: the layer takes no part in
    the loss, which is information, not a fault. A softmax over one element passes no gradient by right.

    ## Why it matters
    The optimizer steps over the layer as if it were frozen, and nothing says so.

    ## How to fix
    Remove the `.detach()`, `.data`, `no_grad` or numpy round trip behind the layer; freeze what is not
    meant to train.

    ## When to ignore
    For modules trained by another loss in another step.

    ## References
    https://docs.pytorch.org/docs/stable/notes/autograd.html
    """

    code = "IH304"
    name = "no-gradient"
    severity = Severity.ERROR
    rank = 46
    explains = frozenset({"IH406"})

    def check(self, recording: Recording) -> Iterator[Finding]:
        layers = {layer.name: layer for layer in recording.layers}
        detached = [layers[name] for name in recording.detached if name in layers]
        if detached:
            last = detached[-1]
            yield self.finding(
                # What cuts the graph stands behind the last of them.
                [last, *detached[:-1]],
                f"{span(detached)}: the values reach the loss but no gradient comes back",
                cause=f"the graph is cut behind {called(last)}: detach, no_grad, .data or numpy",
                fix=f"remove the .detach() (or no_grad, .data, .item()) applied to the output of {called(last)}",
            )
        yield from self._asleep(recording)
        unused = [layers[name] for name in (*recording.unused, *recording.idle) if name in layers]
        if unused:
            yield self.finding(
                unused,
                f"{span(unused)}: {verb(len(unused), 'takes', 'take')} no part in the loss",
                severity=Severity.INFO,
                cause="never called for this batch, or the output is not used: what it puts out changes nothing",
                fix=f"# if that is meant so:\n{fixes.freeze(unused)}",
            )

    def may_follow(self, symptom: Finding) -> bool:
        """A gradient that is zero can be another's doing; a graph that is cut, or was never there, cannot."""
        return symptom.measured == 0.0

    def _asleep(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        if trial is None or not trial.asleep:
            return
        names = set(trial.asleep)
        stopped = [layer for layer in recording.layers if layer.parameter in names]
        awake = {layer.name for layer in stopped if _reads_zeros(layer, recording) or _shut(layer, recording)}
        asleep = [layer for layer in stopped if layer.name not in awake.union(recording.idle)]
        if not asleep:
            return
        when = f"in {trial.steps} steps" if trial.settled else "so far"
        last, spared = asleep[-1], signal_path.can_train_without(recording, asleep)
        yield self.finding(
            # What stops the gradient stands behind the last of them.
            [last, *asleep[:-1]],
            f"{span(asleep)}: the gradient is exactly zero {when}",
            severity=Severity.INFO if not trial.settled else Severity.WARNING if spared else Severity.ERROR,
            measured=0.0,
            cause=f"something between {called(last)} and the loss has slope zero everywhere",
            fix=f"look for a dead or zero layer, a sign, round or argmax behind {called(last)}",
        )


def _shut(layer: Layer, recording: Recording) -> bool:
    m = signal_path.first(recording).get(layer.name)
    return m is not None and inactive_by_chance(recording, layer, m)


def _reads_zeros(layer: Layer, recording: Recording) -> bool:
    """Whether a layer's input alone, zero throughout, leaves nothing of the gradient that comes back to its output.

    To a query or key none comes where the inputs are all alike. A decoder's first layer may read queries that start
    at zero by design; a layer before it that is dead or zero is told as such.
    """
    m = signal_path.first(recording).get(layer.name)
    if m is None or m.input is None or m.gradient is None:
        return False
    return m.input.abs_max == 0.0 and (layer.scores_only or m.gradient.abs_max > 0.0)
