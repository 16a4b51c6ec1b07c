"""One recorded pass of a model whose parameters are made while they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from inithealth.record.live.optimizers import describe_optimizers
from inithealth.record.live.probation import STEPS, Trial, suspects
from inithealth.record.paged.backward import DuringBackward
from inithealth.record.paged.pager import Pager
from inithealth.record.paged.steps import KeptGradients, TooLarge
from inithealth.record.recorder import Recorder
from inithealth.recording import Step
from inithealth.sessions.one_pass import OnePass
from inithealth.sessions.stand_in_trainer import count_steps

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

_SHARE = 0.25  # of the memory, for what the optimizer steps keep
_RATE = 0.01  # of SGD, the optimizer of a check by default


class PagedPass(OnePass):
    """A check of a model with pages.

    Args:
        pager: active while it runs.
    """

    def __init__(self, pager: Pager, *args: Any) -> None:
        super().__init__(*args)
        self._pager = pager
        self._during: DuringBackward | None = None

    def _recorder(self) -> Recorder:
        recorder = super()._recorder()
        self._during = DuringBackward(self._pager, recorder)
        return recorder

    def _pass(self, recorder: Recorder, reveal: bool) -> tuple[float, dict[str, Tensor | None]]:
        assert self._during is not None
        with self._during:
            return super()._pass(recorder, reveal)

    def _measured(
        self, recorder: Recorder, loss: float, gradients: Mapping[str, Tensor | None]
    ) -> tuple[dict[str, float], Step]:
        during = self._during
        assert during is not None
        formed = during.formed(gradients)
        norms = recorder.norms(formed) | during.norms
        norms = {name: norms[name] for name in gradients if name in norms}
        return norms, recorder.step(0, loss, formed, norms, repeats=during.repeats)

    def _trial(self, recorder: Recorder, norms: Mapping[str, float]) -> Trial:
        """Return the suspects; none if their units do not fit into the memory beside the model."""
        _, repeating = suspects(recorder.layers, norms)
        units = sum(recorder.naming.parameters[layer.parameter].nbytes for layer in repeating)
        if units > self._pager.limit * _SHARE:
            self._leave_out(recorder, f"the suspicious weights take {units / 1e9:.2g} GB")
            return Trial(recorder.naming, (), {})
        return super()._trial(recorder, norms)

    def _try(
        self, trial: Trial, optimizers: Sequence[Optimizer], gradients: dict[str, Tensor | None], recorder: Recorder
    ) -> None:
        """Take steps of SGD, which needs no state, until the suspects are settled."""
        rate = _plain_rate(optimizers)
        if rate is None:
            rate = _RATE
            self.notes.append(
                f"steps: SGD(lr={rate:g}) instead of {describe_optimizers(optimizers)}, whose state would need memory"
            )
        parameters = {name: p for name, p in trial.naming.parameters.items() if p.requires_grad}
        in_groups = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
        held = {name: p for name, p in parameters.items() if id(p) in in_groups}
        try:
            kept = self._gradients(parameters)
            for taken in range(STEPS):
                kept.apply(held, rate)
                self._step_others(held, rate)
                count_steps(self.model, taken + 1)
                kept = self._gradients(parameters)
                others = {name: p.grad for name, p in parameters.items() if name not in kept.norms}
                trial.note(recorder.norms(others) | kept.norms)
        except TooLarge as error:
            self._leave_out(recorder, str(error))
        count_steps(self.model, 0)

    def _gradients(self, parameters: dict[str, nn.Parameter]) -> KeptGradients:
        with KeptGradients(self._pager, parameters, int(self._pager.limit * _SHARE)) as kept:
            self._closure(parameters)
        return kept

    @torch.no_grad()
    def _step_others(self, parameters: Mapping[str, nn.Parameter], rate: float) -> None:
        """Take a step with the parameters that stay in memory."""
        for parameter in parameters.values():
            if self._pager.of(parameter) is None and parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-rate)

    @staticmethod
    def _leave_out(recorder: Recorder, why: str) -> None:
        recorder.note("optimizer steps", f"{why}: give more memory")


def _plain_rate(optimizers: Sequence[Optimizer]) -> float | None:
    """Return the learning rate of one SGD without momentum and weight decay; None for other optimizers."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    plain = len(optimizers) == 1 and type(optimizers[0]) is SGD
    options = {(group.get("momentum"), group.get("weight_decay"), group.get("maximize")) for group in groups}
    rates = {float(group["lr"]) for group in groups}
    return rates.pop() if plain and options == {(0, 0, False)} and len(rates) == 1 and min(rates) > 0 else None
