"""Assembles the recording from the recorder's measurements and the session's information on the training."""

from __future__ import annotations

from dataclasses import dataclass

from inithealth.layer_kinds import MATRICES
from inithealth.record.recorder import Recorder
from inithealth.recording import Layer, Probation, Recording, Step, UnfilledBuffer
from inithealth.theory.gains import target_std
from inithealth.theory.schemes import with_schemes


@dataclass(frozen=True)
class Training:
    """How the model is trained, and the state of its layers: the fields of :class:`Recording` with the same names."""

    optimizer: str
    adaptive: bool
    rate: float | None = None
    probation: Probation | None = None
    detached: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    unfilled: tuple[UnfilledBuffer, ...] = ()
    left_out: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Assembly:
    """Assembles the recordings of one model, and determines the schemes of its layers once.

    Args:
        recorder: of the model.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._layers: tuple[Layer, ...] = ()  # as recorded
        self._named: tuple[Layer, ...] = ()  # the same layers with their schemes

    def recording(self, steps: tuple[Step, ...], training: Training, *, projected: bool = False) -> Recording:
        """Return the recording of all steps.

        Args:
            projected: whether a random projection of the outputs replaces the loss.
        """
        network, session = vars(self._recorder.network), vars(training)
        replaced = network["loss"].model_copy(update={"kind": "projection"})
        loss = {"loss": replaced, "losses": (replaced,)} if projected else {}
        layers = self.layers  # before not_measured, which includes a failure in the schemes
        not_measured = {"not_measured": (*self._recorder.not_measured, *training.not_measured)}
        incomplete = self._recorder.failures.errors > 0
        fields = {**network, **session, **loss, **not_measured}
        return Recording(layers=layers, steps=steps, incomplete=incomplete, **fields)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers with their schemes and expected stds."""
        if self._layers is not self._recorder.layers:
            self._layers = self._named = self._recorder.layers
            try:
                self._named = _named(self._layers)
            except Exception as error:  # the statistics are reported without schemes
                self._recorder.note("schemes", error)
        return self._named


def _named(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return tuple(
        layer.model_copy(update={"wants": target_std(layer)}) if layer.kind in MATRICES else layer
        for layer in with_schemes(layers)
    )
