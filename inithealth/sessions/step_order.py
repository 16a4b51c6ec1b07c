"""Whether ``monitor.step`` is called, and between ``backward`` and the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable

from inithealth.console.log import Log
from inithealth.record.recorder import Recorder
from inithealth.record.tensors import is_sharded

_FORGOTTEN = 2  # forward passes without a step, from which on it is taken for forgotten
_ADVICE = "call monitor.step(loss) after loss.backward() and before optimizer.step()"


class StepOrder:
    """Follows the forward passes and steps of one training loop.

    Args:
        recorder: of the model; the version counters of its parameters show whether an optimizer has changed them.
        on_news: called when the report has something new in it.
        log: receives a warning for each step that is missing or late.
        over: why no step will be watched; "" where some will.
    """

    def __init__(self, recorder: Recorder, on_news: Callable[[], None], log: Log, over: str = "") -> None:
        self._recorder, self._on_news, self._log = recorder, on_news, log
        # Sharded parameters are exchanged around each forward pass, which their counters do not show reliably.
        parameters = recorder.naming.parameters.values()
        self._parameters = [p for p in parameters if p.requires_grad and not is_sharded(p)]
        self._versions: list[int] = []
        self._forwards, self._steps, self._late = 0, 0, False
        if over:
            self._say("training steps", over)

    def forward(self, *, training: bool) -> None:
        """A forward pass of the whole model begins."""
        if not training:
            return
        self._forwards += 1
        if not self._late and self._steps < _FORGOTTEN:  # a loop has one order: later steps show nothing new
            self._versions = [parameter._version for parameter in self._parameters]

    def stepped(self) -> None:
        """A step is reported: say once where it comes too late."""
        self._steps += 1
        pairs = list(zip(self._parameters, self._versions, strict=False))
        # Without any gradient they were set to None already, which is too late as well.
        judged = [pair for pair in pairs if pair[0].grad is not None] or pairs
        changed = [parameter._version != version for parameter, version in judged]
        self._versions = []
        # An optimizer of some of the parameters may have stepped in between, as a GAN's does: all have to be changed.
        if not self._late and changed and all(changed):
            self._late = True
            self._say("gradients", f"monitor.step was called after optimizer.step, on updated weights: {_ADVICE}")

    def closed(self) -> None:
        """The loop is over: say where it has reported no step."""
        if self._steps == 0 and self._forwards >= _FORGOTTEN:
            passes, self._forwards = self._forwards, 0
            self._say("training steps", f"monitor.step was never called in {passes} forward passes: {_ADVICE}")

    def _say(self, what: str, why: str) -> None:
        self._recorder.note(what, why)
        self._on_news()
        self._log.warning(why)
