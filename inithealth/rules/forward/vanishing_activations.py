from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import gain_causes, signal_path
from inithealth.evidence.facts import with_limits
from inithealth.evidence.loss_sensitivity import loss_sensitivity
from inithealth.evidence.prognosis import prognosis
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class VanishingActivations(signal_path.LevelLimits, gain_causes.GainLimits, Rule):
    """Activations shrink with depth, until the output no longer depends on the input.

    ## What it checks
    In networks without normalization: the smallest activation rms, relative to the input, of the layers
    that no skip connection bypasses. In all networks: the share of the head's input that differs between
    samples; and whether the loss depends on the weights by more than rounding.

    ## Why it matters
    If the signal does not reach the head, the network cannot learn from it, and the loss stays at the value
    of random guessing.

    ## How to fix
    Initialize with the gain of the activation (He initialization for ReLU), or add normalization.

    ## When to ignore
    If all samples of the batch are the same.

    ## References
    Schoenholz et al., Deep Information Propagation, https://arxiv.org/abs/1611.01232
    """

    code = "IH201"
    name = "vanishing-activations"
    severity = Severity.WARNING
    rank = Stage.VANISHING_ACTIVATIONS
    explains = frozenset("IH207 IH301 IH304 IH402 IH406 IH408".split())
    low_rms: float = limit(
        2.0**-7,
        "smallest output without normalization; a published network with 8 layers has 2^-6 and trains",
        unit="rms, relative to an input below 1",
    )
    lowest_rms: float = limit(
        2.0**-10,
        "output below which it is an error: no such network without normalization trained",
        unit="rms, relative to an input below 1",
    )
    min_passing: float = limit(
        1e-2,
        "smallest gradient at the first layers for nearly identical inputs of the head to count as intentional: if the "
        "signal vanishes, the gradients vanish too",
        unit="ratio to the last layers' gradient",
    )
    min_passing_adaptive: float = limit(
        1e-5,
        "the same for adaptive optimizers such as Adam, also for small activations: they train at gradients at which "
        "SGD fails. A recommender with embeddings from N(0, 0.01) has 5e-5, trains with Adam and does not with SGD",
        unit="ratio to the last layers' gradient",
    )
    min_passing_faded: float = limit(
        1e-3,
        "smallest gradient at the first layers for small activations to be a warning instead of an error: networks "
        "with a single layer scaled by 1/100 have such activations and train",
        unit="ratio to the last layers' gradient",
    )
    min_between: float = limit(
        4e-5,
        "smallest share of the head's input that differs between samples; 8e-5 is the lowest of 480 healthy networks",
        unit="share of the mean square",
    )

    min_between_deep: float = limit(
        1e-3,
        "the same for a deep stack with a normalization at each layer and no skip connections, which keeps every level "
        "in range while samples become alike: stacks of 16 layers failed with 1.5e-4; no such healthy network is below "
        "1e-2",
        unit="share of the mean square",
    )
    min_passing_deep: float = limit(
        0.1,
        "smallest gradient at the first layers of such a stack for nearly identical inputs of its head to be "
        "intentional",
        unit="ratio to the last layers' gradient",
    )
    min_layers_deep: int = limit(12, "fewest normalized layers of such a stack", unit="layers")

    min_sensitivity: float = limit(
        1e-6,
        "smallest relative change of the loss for a change of all weights by 100%, if activations shrink too: in fp32 "
        "a change below 6e-8 is rounding, and Adam's epsilon outweighs such gradients",
        unit="share of the loss",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        recording = with_limits(recording, [self])
        faint = self._faint(recording)
        if faint is not None:
            yield faint
            return
        outlook = prognosis(recording)
        smallest = None if recording.normalized else signal_path.smallest_output(recording)
        least, passing = self._limits_of_same(recording)
        # If the gradient reaches the first layers, nearly identical samples are intentional, as those of a codebook.
        exempt = recording.layer_scale or outlook.gradient_passes(passing)
        same = None if exempt else outlook.samples_are_alike(least)
        trains = recording.adaptive and same is None and outlook.gradient_passes(self.min_passing_adaptive)
        if smallest is not None and smallest[1] < self.low_rms and not trains:
            passes = outlook.gradient_passes(self.min_passing_faded)
            bad = same is not None or (smallest[1] < self.lowest_rms and not passes)
            message = f"{_shrinking(recording, *smallest)} (limit {number(self.low_rms)})"
            yield self._finding(recording, message, smallest[1], self.low_rms, bad)
        elif same is not None:
            layer, share = same
            difference = f"relative difference {number(share)}, limit {number(least)}"
            message = f"{called(layer)} receives nearly the same input for every sample ({difference})"
            yield self._finding(recording, message, share, least, True)

    def _faint(self, recording: Recording) -> Finding | None:
        """Return the finding on a signal so small that the loss does not depend on the weights; None without it."""
        share, smallest = loss_sensitivity(recording), signal_path.smallest_signal(recording)
        if share is None or share >= self.min_sensitivity or smallest is None or smallest[1] >= self.low_rms:
            return None
        depends = f"changing all weights by 100% changes the loss by {number(share)} of its value"
        message = f"{_shrinking(recording, *smallest)}; {depends} (limit {number(self.min_sensitivity)})"
        return self._finding(recording, message, share, self.min_sensitivity, True)

    def _finding(self, recording: Recording, message: str, measured: float, limit: float, bad: bool) -> Finding:
        path = [
            layer
            for layer, _ in signal_path.main_path(recording)
            if (layer.inner or layer.feeds == "gate") and layer.kind != "embedding"
        ]
        causes = gain_causes.weakest(path, self)
        return self.finding(
            causes,
            message,
            severity=Severity.ERROR if bad else Severity.WARNING,
            measured=measured,
            limit=limit,
            cause=gain_causes.explain(causes, self),
            fix=gain_causes.fix(causes),
        )

    def _limits_of_same(self, recording: Recording) -> tuple[float, float]:
        """Return the smallest share that differs between samples, and the smallest gradient, that are healthy."""
        stacked = [layer for layer, _ in signal_path.main_path(recording) if layer.normed or layer.reads_norm]
        if not recording.branches and len(stacked) >= self.min_layers_deep:
            return self.min_between_deep, self.min_passing_deep
        return self.min_between, self.min_passing_adaptive if recording.adaptive else self.min_passing


def _shrinking(recording: Recording, at: Layer, share: float) -> str:
    scale = min(1.0, signal_path.input_rms(recording))
    if scale == 1.0:
        return f"activations shrink to rms {number(share)} at {called(at)}"
    return f"activations shrink to {number(share)} times the input's rms ({number(scale)}) at {called(at)}"
