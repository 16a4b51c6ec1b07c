"""Checks that ``monitor.step`` is called between ``backward`` and the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable

from inithealth.console.log import Log
from inithealth.record.recorder import Recorder
from inithealth.record.tensors import is_sharded

_FORGOTTEN = 2  # forward passes without a step after which the call counts as missing
_ADVICE = "call monitor.step(loss) after loss.backward() and before optimizer.step()"


class StepOrder:
    """Observes the forward passes and steps of one training loop.

    Args:
        recorder: recorder of the model; version counters of the parameters show whether an optimizer changed them.
        on_news: called when the report changes.
        log: receives a warning for each step that is missing or late.
        over: why no step will be watched; "" if some will.
    """

    def __init__(self, recorder: Recorder, on_news: Callable[[], None], log: Log, over: str = "") -> None:
        self._recorder, self._on_news, self._log = recorder, on_news, log
        # Sharded parameters are exchanged in each forward pass, which version counters do not show reliably.
        parameters = recorder.naming.parameters.values()
        self._parameters = [p for p in parameters if p.requires_grad and not is_sharded(p)]
        self._versions: list[int] = []
        self._forwards, self._steps, self._late = 0, 0, False
        if over:
            self._say("training steps", over)

    def forward(self, *, training: bool) -> None:
        """Note the start of a forward pass of the whole model."""
        if not training:
            return
        self._forwards += 1
        if not self._late and self._steps < _FORGOTTEN:  # the order of a loop does not change
            self._versions = [parameter._version for parameter in self._parameters]

    def stepped(self) -> None:
        """Note a call of `step`; warn once if it is too late."""
        self._steps += 1
        pairs = list(zip(self._parameters, self._versions, strict=False))
        # If there are no gradients, they were already set to None, which is also too late.
        judged = [pair for pair in pairs if pair[0].grad is not None] or pairs
        changed = [parameter._version != version for parameter, version in judged]
        self._versions = []
        # Another optimizer may have updated some parameters in between, as for a GAN: check that all have changed.
        if not self._late and changed and all(changed):
            self._late = True
            self._say("gradients", f"monitor.step was called after optimizer.step, on updated weights: {_ADVICE}")

    def closed(self) -> None:
        """Warn if the loop ended without a call of `step`."""
        if self._steps == 0 and self._forwards >= _FORGOTTEN:
            passes, self._forwards = self._forwards, 0
            self._say("training steps", f"monitor.step was never called in {passes} forward passes: {_ADVICE}")

    def _say(self, what: str, why: str) -> None:
        self._recorder.note(what, why)
        self._on_news()
        self._log.warning(why)
