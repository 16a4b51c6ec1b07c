"""Whether a network still trains in spite of what a rule found: what makes a finding an error, not a warning.

Rules report what is outside the expected range, and in which layers. How severe that is depends on the rest of the
network: whether a skip connection bypasses these layers, other layers train, a normalization restores the scale, the
samples differ at the heads, and the first optimizer steps resolve it. Where one number decides, the rule compares it
with a limit of its own, such as `highest_rms` of exploding-activations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inithealth.evidence import signal_path, symptoms
from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.scale_harm import HarmLimits, mostly_normalized, too_large_for_norms
from inithealth.evidence.trial import Trial
from inithealth.evidence.vector_scale import Deviation
from inithealth.findings import Severity
from inithealth.layer_kinds import DRAWN, MATRICES
from inithealth.layer_names import split_positions
from inithealth.recording import Layer, Recording, Signal


@dataclass(frozen=True)
class Prognosis:
    """What decides whether one network trains. It holds no reference to the recording, in which it is cached."""

    trial: Trial  # what the first optimizer steps show
    symptom: bool  # the signal, gradients or logits are outside the range in which networks train
    symptom_with_norms: bool  # the same for the symptoms that normalization does not remove
    too_large_for_norms: bool  # if all weights are too large: the effects that normalization does not remove
    mostly_normalized: bool  # most layers are right before a normalization, which restores the scale of their output
    largest_output: float | None  # rms, relative to an input above 1; None: not measured
    gradient_passed: float | None  # smallest gradient over the largest downstream of it; None: not measured
    heads: tuple[tuple[Layer, Signal], ...]  # with their inputs
    norms: tuple[Layer, ...]
    trained: tuple[Layer, ...]  # with a trainable weight
    zero_loss: bool  # the first loss is exactly zero, as that of triplets beyond the margin
    limits: HarmLimits

    def needs(self, layers: Iterable[Layer]) -> bool:
        """Whether the signal has to pass one of these layers: no skip connection bypasses it."""
        return any(not layer.bypassable for layer in layers)

    def severity_of_blocking(self, layers: Iterable[Layer]) -> Severity:
        """Return the severity of layers that hardly any signal passes; a warning for no layers."""
        return Severity.ERROR if self.needs(layers) else Severity.WARNING

    def trains_without(self, layers: Sequence[Layer]) -> bool:
        """Whether skip connections bypass all these layers, and others with a matrix train."""
        names = {layer.name for layer in layers}
        left = any(each.kind in DRAWN and each.reaches_loss and each.name not in names for each in self.trained)
        return left and not self.needs(layers)

    def trains_beside(self, layers: Sequence[Layer]) -> bool:
        """Whether another path to the loss trains: past a skip connection, or to a head that receives the samples."""
        if self.trains_without(layers):
            return True
        names = {layer.name for layer in layers}
        inputs = [signal for head, signal in self.heads if head.name not in names]
        return any(signal.rms > 0.0 and (signal.between or 0.0) > 0.0 for signal in inputs)

    def share_of(self, layers: Sequence[Layer]) -> float:
        """Return the share of the trainable matrices that belong to these layers, without those with a twin elsewhere.

        An expert without tokens, a path that is not selected and a branch that is dropped have such twins, which train.
        """
        names = {layer.name for layer in layers}
        matrices = [
            each for each in self.trained if each.kind in MATRICES and (each.reaches_loss or each.name in names)
        ]
        alive = {split_positions(each.name).pattern for each in matrices if each.name not in names}
        lost = [each for each in matrices if each.name in names and split_positions(each.name).pattern not in alive]
        return len(lost) / len(matrices) if matrices else 0.0

    def severity_without_gradient(self, *, recovers: bool = False) -> Severity:
        """Return the severity of layers without gradient in the first steps.

        Args:
            recovers: whether the network trains without them. A loss of zero has no gradient for this batch alone.
        """
        return self.trial.severity(Severity.WARNING if recovers or self.zero_loss else Severity.ERROR)

    def gradient_passes(self, least: float) -> bool:
        """Whether more than this share of the gradient reaches the first layers."""
        return self.gradient_passed is not None and self.gradient_passed > least

    def loses_signal(self, *, max_output: float, min_passing: float) -> bool:
        """Whether the signal or the gradient is outside these limits; normalization and skips can preserve both."""
        if self.largest_output is None or self.gradient_passed is None:
            return True
        return self.largest_output > max_output or self.gradient_passed < min_passing

    @property
    def input_is_lost(self) -> bool:
        """Whether a head's input is bit-identical for all samples."""
        return any(signal.rms == 0.0 or signal.between == 0.0 for _, signal in self.heads)

    def samples_are_alike(self, least: float) -> tuple[Layer, float] | None:
        """Return the first head whose input differs less than this between samples, and the share that differs.

        A head that multiplies another signal is left out: the samples can differ in that signal.
        """
        for head, signal in self.heads:
            if head.feeds != "gate" and signal.rms > 0 and signal.between is not None and signal.between < least:
                return head, signal.between
        return None

    def remains_despite_norms(self, readers: Sequence[Layer], least: float) -> bool:
        """Whether no normalization after these layers removes an offset or a tiny scale of their input.

        If normalization removes it, more than this share of the heads' inputs differs between samples.
        """
        differs = min((each.between for _, each in self.heads if each.between is not None), default=1.0)
        return not is_normalized(readers) or differs < least

    @property
    def all_norms_zero(self) -> bool:
        """Whether the weights of all normalizations, at least two, are zero: three of four such networks failed."""
        weights = [layer.weight for layer in self.norms if layer.weight is not None]
        return len(weights) > 1 and all(weight.abs_max == 0.0 for weight in weights)

    def severity_of_scale(self, layers: Sequence[Layer], worst: Deviation) -> Severity:
        """Return the severity of a wrong scale of the weights of these layers, with the largest deviation of them."""
        large = worst.octaves > 0
        fails = self.symptom and (large or self._fades(layers, worst.octaves))
        fails = fails or (not large and self._disables_branches(layers))
        fails = fails or worst.unstable or (worst.whole and self._whole_scale_fails(worst))
        return Severity.ERROR if fails else Severity.WARNING

    def _fades(self, layers: Sequence[Layer], octaves: float) -> bool:
        """Whether weights are so small that training does not restore the signal."""
        return abs(octaves) * sum(not layer.bypassable for layer in layers) > self.limits.max_octaves_lost

    def _disables_branches(self, layers: Sequence[Layer]) -> bool:
        """Whether these are all normalizations, and most layers are not followed by another normalization."""
        return bool(self.norms) and all(norm in layers for norm in self.norms) and not self.mostly_normalized

    def _whole_scale_fails(self, worst: Deviation) -> bool:
        """Whether a network whose weights are all too large or too small by one factor fails to train.

        Before a normalization, the gradient is inversely proportional to the weights. Small weights therefore recover,
        but large ones change more slowly by the square of the factor. Other normalizations amplify what small weights
        pass on, together with the biases: they recover unless the biases outweigh the differences between samples.
        For large weights the gain counts: a std of 1 is
        20 times the largest common std, but only a gain of 5 in a layer with 24 inputs.
        """
        if worst.octaves > 0:
            most = self.limits.max_octaves_before_norms if self.mostly_normalized else self.limits.max_octaves_of_whole
            return min(worst.octaves, worst.by_gain) > most or self.too_large_for_norms
        if self.mostly_normalized:
            return False
        if self.norms:
            return self.symptom_with_norms or self.samples_are_alike(self.limits.min_between_of_whole) is not None
        return -worst.octaves > self.limits.max_octaves_of_whole or self.symptom_with_norms


def is_normalized(layers: Sequence[Layer]) -> bool:
    """Whether there are such layers, and a normalization follows each of them."""
    return bool(layers) and all(layer.normed for layer in layers)


def nearly_all(affected: int, checked: int, *, share: float, fewest: int) -> bool:
    """Whether the network as a whole is affected: at least this share and this number of the checked layers are."""
    return affected >= max(fewest, share * checked)


@fact
def prognosis(recording: Recording) -> Prognosis:
    """Return the prognosis of a network, by the limits from the settings."""
    largest, fade = signal_path.largest_output(recording), signal_path.gradient_fade(recording)
    measured, limits = signal_path.measured(recording), limits_of(recording, HarmLimits)
    return Prognosis(
        trial=Trial(recording.probation),
        symptom=symptoms.has_symptom(recording),
        symptom_with_norms=symptoms.has_symptom_with_norms(recording),
        too_large_for_norms=too_large_for_norms(recording, limits),
        mostly_normalized=mostly_normalized(recording, limits),
        largest_output=None if largest is None else largest[1],
        gradient_passed=None if fade is None else fade[1],
        heads=tuple((layer, m.input) for layer, m in measured if layer.head and m.input is not None),
        norms=tuple(layer for layer in recording.layers if layer.kind == "norm"),
        trained=tuple(layer for layer, weight in recording.weighted if weight.trainable),
        zero_loss=bool(recording.steps) and recording.steps[0].loss == 0.0,
        limits=limits,
    )
