from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.units import inactive_by_chance
from inithealth.evidence.wording import called, span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule


class NoGradient(Rule):
    """Trainable weights receive no gradient.

    ## What it checks
    Three cases. Detached: the loss depends on the layer (scaling its weights changes the loss), but the
    autograd graph does not reach it. Zero gradient: the gradient is exactly zero at steps 0 to 4. Unused:
    the loss does not depend on the layer; this is info. A zero gradient through a softmax over a single
    element is expected and not reported.

    ## Why it matters
    The optimizer does not change the layer, as if it were frozen, and no error is raised.

    ## How to fix
    Remove the `.detach()`, `.data`, `no_grad` or numpy conversion downstream of the layer. Freeze weights
    that are not supposed to train.

    ## When to ignore
    For modules that another loss trains in another step.

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
                # The operation that cuts the graph is downstream of the last of them.
                [last, *detached[:-1]],
                f"{span(detached)}: the loss depends on the output, but no gradient reaches the weights",
                cause=f"the graph is cut after {called(last)}: detach, no_grad, .data or numpy",
                fix=f"remove the .detach() (or no_grad, .data, .item()) applied to the output of {called(last)}",
            )
        yield from self._zero_gradient(recording)
        unused = [layers[name] for name in (*recording.unused, *recording.idle) if name in layers]
        if unused:
            yield self.finding(
                unused,
                f"{span(unused)}: the loss does not depend on {verb(len(unused), 'this layer', 'these layers')}",
                severity=Severity.INFO,
                cause="never called for this batch, or the output is not used",
                fix=f"# if this is intentional:\n{fixes.freeze(unused)}",
            )

    def may_follow(self, symptom: Finding) -> bool:
        """Whether the finding can be a consequence: a zero gradient can, a cut graph or an unused layer cannot."""
        return symptom.measured == 0.0

    def _zero_gradient(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        if trial is None or not trial.asleep:
            return
        names = set(trial.asleep)
        zero = [layer for layer in recording.layers if layer.parameter in names]
        expected = {layer.name for layer in zero if _input_is_zero(layer, recording) or _by_chance(layer, recording)}
        stopped = [layer for layer in zero if layer.name not in expected.union(recording.idle)]
        if not stopped:
            return
        when = f"in {trial.steps} steps" if trial.settled else "so far"
        last, spared = stopped[-1], signal_path.can_train_without(recording, stopped)
        yield self.finding(
            # The operation that stops the gradient is downstream of the last of them.
            [last, *stopped[:-1]],
            f"{span(stopped)}: the gradient is exactly zero {when}",
            severity=Severity.INFO if not trial.settled else Severity.WARNING if spared else Severity.ERROR,
            measured=0.0,
            cause=f"an operation between {called(last)} and the loss has zero slope for all inputs",
            fix=f"look for a dead or zero layer, or a sign, round or argmax, downstream of {called(last)}",
        )


def _by_chance(layer: Layer, recording: Recording) -> bool:
    m = signal_path.first(recording).get(layer.name)
    return m is not None and inactive_by_chance(recording, layer, m)


def _input_is_zero(layer: Layer, recording: Recording) -> bool:
    """Whether the weight's gradient is zero only because the layer's input is zero.

    The output of such a layer receives a gradient, except for queries and keys of identical inputs. An example is a
    decoder's first layer, whose queries may intentionally start at zero. Other rules report dead or zero layers
    upstream.
    """
    m = signal_path.first(recording).get(layer.name)
    if m is None or m.input is None or m.gradient is None:
        return False
    return m.input.abs_max == 0.0 and (layer.scores_only or m.gradient.abs_max > 0.0)
