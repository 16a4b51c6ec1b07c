"""The history of one run: its start, the steps that are kept, the suspects on probation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch.optim import Optimizer

from inithealth.record.failures import lines
from inithealth.record.live.distributed import of_ranks
from inithealth.record.live.optimizers import describe_optimizers, first_rate, is_adaptive, is_idle
from inithealth.record.live.probation import Trial
from inithealth.record.live.step_laws import unknown_laws
from inithealth.record.live.updates import left_out
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.reachability import unreached
from inithealth.recording import Recording, Step, Update, weighted
from inithealth.sessions.assembly import Assembly, Training
from inithealth.sessions.kept_steps import KeptSteps


class History:
    """Collects steps in one recording.

    Args:
        recorder: of the model.
        optimizers: their types and learning rates affect the verdict.
        taken: number of steps before this run.
        earlier: the recording of these steps; ignored if it is of another model.
        together: whether the numbers are combined over all processes.
    """

    def __init__(
        self,
        recorder: Recorder,
        optimizers: Sequence[Optimizer],
        taken: int,
        earlier: Recording | None,
        *,
        together: bool = False,
    ) -> None:
        self._recorder, self._optimizers = recorder, optimizers
        self._assembly = Assembly(recorder)
        self._earlier = earlier if earlier is not None and self._is_of_this_model(earlier) else None
        self.resumed = taken if self._earlier is None else 0  # number of earlier steps without a recording
        self.kept = KeptSteps(() if self._earlier is None else self._earlier.steps)
        self.detached: tuple[str, ...] = ()  # layers whose values affect the loss but that get no gradient
        self.trial: Trial | None = None
        self._sampled = recorder.most
        self._of_ranks = of_ranks(together)

    def __bool__(self) -> bool:
        return bool(self.kept)

    def _is_of_this_model(self, earlier: Recording) -> bool:
        """Return whether an earlier recording is of this model; if so, take its layers."""
        names = {weight.name for _, weight in earlier.weighted}
        if not names or not names <= self._recorder.naming.parameters.keys():
            return False
        self._recorder.resume(earlier.layers)
        return True

    @property
    def weights(self) -> dict[str, str]:
        """The parameter of each layer."""
        return {layer.name: weight.name for layer, weight in weighted(self._recorder.layers)}

    def add(self, step: Step, *, skipped: bool) -> bool:
        """Add a step. Return whether it is the first one or settles the suspects.

        Args:
            skipped: whether a loss scaler skipped the optimizer step before it.
        """
        names = self.weights
        norms = {names[m.layer]: m.weight_gradient for m in step.layers if m.layer in names}
        known = {name: norm for name, norm in norms.items() if norm is not None}
        first = not self.kept
        self.kept.add(step)
        if first:
            self.trial = Trial(self._recorder.naming, self._recorder.layers, known)
            return True
        return self.try_on(known, skipped=skipped)

    def note_updates(self, updates: Mapping[str, Update]) -> None:
        """Add the changes by the last optimizer step, by layer, to the step that was measured before it."""
        if updates:
            self.kept.change_last(updates=dict(updates))

    @property
    def errors(self) -> int:
        """Number of errors in the measurements."""
        return self._recorder.failures.errors

    @property
    def waiting(self) -> bool:
        """Whether suspects are still on probation."""
        return self.trial is not None and not self.trial.settled

    def try_on(self, norms: Mapping[str, float], *, skipped: bool) -> bool:
        """Count the last optimizer step for the probation if it changed weights. Return whether this settled it."""
        if self.trial is None or self.trial.settled or skipped or is_idle(self._optimizers):
            return False
        self.trial.note(norms)
        return self.trial.just_settled

    @property
    def recording(self) -> Recording:
        """The recording so far: the first and the last steps."""
        if self._earlier is not None:  # the start is in the earlier recording
            failed = {
                "not_measured": (*self._earlier.not_measured, *lines(self._recorder.failures)),
                "incomplete": self._earlier.incomplete or self.errors > 0,
            }
            return self._earlier.model_copy(update={"steps": self.kept.steps, "left_out": self._left_out(), **failed})
        return self._assembly.recording(self.kept.steps, self._training())

    def _training(self) -> Training:
        recorder, trial = self._recorder, self.trial
        without = [layer.name for layer in unreached(recorder.layers)] if recorder.graph else []
        # Several optimizers have several losses, but only the first is recorded: layers of the others are not unused.
        other = tuple(f"{name}: not part of the recorded loss" for name in without if len(self._optimizers) > 1)
        without = [] if other else without
        return Training(
            optimizer=self._optimizer,
            adaptive=is_adaptive(self._optimizers),
            rate=first_rate(self._optimizers),
            probation=trial.result() if trial is not None and trial.needed_at_first else None,
            detached=tuple(name for name in without if name in self.detached),
            unused=tuple(name for name in without if name not in self.detached),
            left_out=self._left_out(),
            not_measured=other,
            notes=self._notes(),
        )

    @property
    def _optimizer(self) -> str:
        return describe_optimizers(self._optimizers) if self._optimizers else "SGD(lr=0.01) (none given)"

    def _left_out(self) -> tuple[str, ...]:
        naming = self._recorder.naming
        return tuple(sorted(left_out(naming.trainable, naming.parameters, self._optimizers)))

    def _notes(self) -> tuple[str, ...]:
        skipped, unknown = self._recorder.layers_left_out, unknown_laws(self._optimizers)
        few = "deep: activations and gradients of {} layers are measured at the first step only, their updates never"
        resumed = f"resumed at step {self.resumed}: the initialization is not judged"
        return (
            *([resumed] if self.resumed else ()),
            f"optimizer: {self._optimizer}",
            f"sampled: at most {self._sampled} elements of each activation and gradient at the first step, "
            f"{self._recorder.most} later; weights, their gradients and the loss are exact",
            *([few.format(skipped)] if skipped else ()),
            *(f"the usual step of {name} is not known: small steps are not judged" for name in unknown),
            *([self._of_ranks] if self._of_ranks else ()),
        )
