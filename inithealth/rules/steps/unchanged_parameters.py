from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from inithealth.evidence import fixes
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Update
from inithealth.rules.base import Rule, limit, span
from inithealth.rules.causality import Stage


class UnchangedParameters(Rule):
    """Optimizer steps do not change trainable weights.

    ## What it checks
    Weights that receive a gradient but are bit-identical before and after each recorded step, and trainable
    parameters that are in no optimizer.

    ## Why it matters
    The layer keeps its initial weights for the whole run, and no error is raised.

    ## How to fix
    Pass all parameters to the optimizer, including those created after it. Freeze weights that are not
    supposed to train with `requires_grad_(False)`.

    ## When to ignore
    For parameters of another optimizer that is not passed to the monitor.

    ## References
    https://docs.pytorch.org/docs/stable/optim.html
    """

    code = "IH408"
    name = "unchanged-parameters"
    severity = Severity.WARNING
    rank = Stage.UNCHANGED
    min_steps: int = limit(
        8,
        "fewest recorded steps with a non-zero learning rate after which an unchanged weight is reported; at the start "
        "of a warm-up, rounding can leave weights unchanged",
        unit="recorded steps",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        left_out = set(recording.left_out)
        forgotten = [layer for layer in recording.layers if layer.parameter in left_out]
        if forgotten:
            yield self.finding(
                forgotten,
                f"{span(forgotten)}: trainable, but in no optimizer",
                cause="the optimizer was created without these parameters",
                fix=f"pass model.parameters() to the optimizer, or freeze the weights:\n{fixes.freeze(forgotten)}",
            )
        pushed = [
            (step.updates, {m.layer for m in step.layers if m.weight_gradient})
            for step in recording.steps
            if step.updates
        ]
        names = {layer.name for layer in forgotten}
        stuck = [layer for layer, _ in recording.weighted if layer.name not in names and self._stuck(layer, pushed)]
        if stuck:
            yield self.finding(
                stuck,
                f"{span(stuck)}: unchanged by {count(self.min_steps, 'step')} or more",
                measured=0.0,
                step=recording.steps[-1].index,
                cause="the weights receive a gradient, but the optimizer does not change them",
                fix=f"check for a learning rate of 0 or gradients cleared before the step, or freeze the weights:\n"
                f"{fixes.freeze(stuck)}",
            )

    def _stuck(self, layer: Layer, pushed: Sequence[tuple[Mapping[str, Update], Set[str]]]) -> bool:
        """Whether the optimizer does not change a layer's weight.

        Args:
            pushed: for each step, the updates by layer name, and the names of the layers that had a gradient.
        """
        # The sampled rows of an embedding may include none of the rows that the batch looks up.
        if layer.kind == "embedding" or not layer.reaches_loss:
            return False
        updates = [found[layer.name] for found, moved in pushed if layer.name in moved and layer.name in found]
        updates = [update for update in updates if update.rate != 0.0]
        return len(updates) >= self.min_steps and all(update.unmoved == 1.0 for update in updates)
