from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from inithealth.evidence import fixes
from inithealth.evidence.wording import count, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Update
from inithealth.rules.base import Rule, limit, span


class UnchangedParameters(Rule):
    """Trainable weights that no step changes.

    ## What it checks
    Weights that the loss reaches and that are bit for bit the same before and after each watched step;
    and trainable parameters that no optimizer holds.

    ## Why it matters
    The layer stays at its random start for the whole run, and nothing says so.

    ## How to fix
    Give all parameters to the optimizer, also those made after it; set requires_grad_(False) on what is
    meant to stay.

    ## When to ignore
    For parameters that another optimizer steps, which is not passed to the monitor.

    ## References
    https://docs.pytorch.org/docs/stable/optim.html
    """

    code = "IH408"
    name = "unchanged-parameters"
    severity = Severity.WARNING
    rank = 65
    min_steps: int = limit(
        8,
        "watched steps with a learning rate above zero that leave a weight as it was; at the start of a warm- "
        "up rounding loses some",
        unit="watched steps",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        left_out = set(recording.left_out)
        forgotten = [layer for layer in recording.layers if layer.parameter in left_out]
        if forgotten:
            yield self.finding(
                forgotten,
                f"{span(forgotten)}: {verb(len(forgotten), 'is', 'are')} trainable, and in no optimizer",
                cause="the optimizer was made without these parameters",
                fix=f"pass model.parameters() to the optimizer, or:\n{fixes.freeze(forgotten)}",
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
                f"{span(stuck)}: the same before and after {count(self.min_steps, 'step')} or more",
                measured=0.0,
                step=recording.steps[-1].index,
                cause="a gradient comes, and the optimizer leaves the weights as they are",
                fix=f"look for a learning rate of 0, or gradients that are cleared before the step; or:\n"
                f"{fixes.freeze(stuck)}",
            )

    def _stuck(self, layer: Layer, pushed: Sequence[tuple[Mapping[str, Update], Set[str]]]) -> bool:
        """Whether the optimizer leaves a layer as it is.

        Args:
            pushed: of each step what it changed, and the layers that had a gradient.
        """
        # Of an embedding, the sampled rows may hold none that a batch looked up.
        if layer.kind == "embedding" or not layer.reaches_loss:
            return False
        updates = [found[layer.name] for found, moved in pushed if layer.name in moved and layer.name in found]
        awaited = [update for update in updates if update.rate != 0.0]
        return len(awaited) >= self.min_steps and all(update.unmoved == 1.0 for update in awaited)
