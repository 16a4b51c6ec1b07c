"""``watch``: the early steps of any training loop, sampled at a cost that nobody notices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.call import Call
from inithealth.findings import Finding, Report, Severity
from inithealth.judge.diagnose import diagnose, of_steps
from inithealth.record.layers.names import compiled_modules, unwrapped
from inithealth.record.live.distributed import Ranks
from inithealth.record.live.loss_monitor import LossMonitor
from inithealth.record.live.loss_scale import LossScale, Overflows
from inithealth.record.live.picklable_hook import Hook
from inithealth.record.live.updates import Updates
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.batches import named_tensors, refuse_model
from inithealth.record.sandbox.reachability import seen_detached
from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.gradients import gradient_norms
from inithealth.record.tensors import is_sharded
from inithealth.recording import Recording, Signal, Step
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.history import Run
from inithealth.settings import Settings

logger = logging.getLogger("inithealth")

T = TypeVar("T")
_OF_THE_START = ("IH1", "IH2", "IH3", "IH401")  # what rules say of an initialization, by their codes


class Monitor:
    """Watches a model's steps: hooks and gradients on scheduled steps, nothing on the others.

    Use :func:`watch`, or the :class:`inithealth.InitHealth` callback. Never raises in the training loop:
    what could not be measured is in the report.

    Args:
        model, optimizer, scaler, writer, settings: as :func:`watch` takes them.
        on_alert: called with each new cause.
        steps_taken: optimizer steps before this run; the initialization of trained weights is not judged.
        history: the :attr:`recording` of the run that this one goes on from, whose verdict stays.
        together: whether every process of a distributed run watches: then the numbers are those of the whole batch.

    Raises:
        TypeError: ``model`` is no module.
        ValueError: there is nothing to watch (no parameters, all frozen, lazy or meta), or the settings
            name an unknown rule.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        scaler: Any = None,
        writer: Any = None,
        settings: Settings | None = None,
        on_alert: Callable[[Finding], None] | None = None,
        steps_taken: int = 0,
        history: Recording | None = None,
        together: bool = False,
    ) -> None:
        self.settings = settings or Settings()
        self._outer = model
        self.model = refuse_model(unwrapped(model) if isinstance(model, nn.Module) else model)
        self.optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer or ())
        self.scaler = scaler
        self.index = steps_taken
        self.news = False  # whether the findings have changed since somebody set this to False
        self.batch: Any = None  # of the coming step, where no forward pass of the whole model shows it
        self.alerts = Alerts(writer, on_alert)
        self._recorder = Recorder(
            self.model,
            exact=False,
            sample_bytes=self.settings.sample_bytes,
            compiled=compiled_modules(model),
        )
        self._loss_scale, self._overflows = LossScale(scaler), Overflows()
        self._run = Run(self._recorder, self.optimizers, steps_taken, history, together=together)
        if self._run.resumed:  # nothing is known of how these weights started
            self.settings = self.settings.model_copy(update={"ignore": (*self.settings.ignore, *_OF_THE_START)})
        self._loss_monitor = LossMonitor()  # a loss that is not finite asks for one more watched step
        self._report: Report | None = None
        self._handles: list[Any] = []
        self._inputs: dict[str, Tensor] = {}
        self._observed = False
        self._next: Optimizer | None = None
        self._told: set[tuple[str, Severity]] = set()  # what the steps' rules found last
        naming = self._recorder.naming
        self._ranks = Ranks(
            together=together,
            layers=[naming.layer(name) for name in naming.parameters],
            sharded=[name for name, parameter in naming.parameters.items() if is_sharded(parameter)],
            device=next(self.model.parameters()).device,
        )
        self._updates = Updates(naming.parameters, self.optimizers)

    def __enter__(self) -> Monitor:
        # On the outermost module, unless its own call is compiled: what these do in Python would break its graph.
        if getattr(self._outer, "_compiled_call_impl", None) is None:
            self._handles += [
                self._outer.register_forward_pre_hook(Hook(self._before_forward), with_kwargs=True),
                self._outer.register_forward_hook(Hook(self._after_forward)),
            ]
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def watching(self) -> bool:
        """Whether the coming step is measured."""
        return self.settings.watches(self.index) or self._loss_monitor.since is not None

    @property
    def recorded(self) -> bool:
        """Whether any step is."""
        return bool(self._run)

    @property
    def waiting(self) -> bool:
        """Whether suspects are still on probation, which lasts longer than a short schedule."""
        return self._run.waiting

    def begin(self) -> None:
        """Get ready for the coming step: what ran since the last one was no part of it."""
        self._recorder.prepare()
        if self.watching and not self._observed:
            self._recorder.reset()
            self._recorder.attach()

    def pause(self, paused: bool) -> None:
        """While paused, what runs is an evaluation and no part of the training."""
        self._recorder.hooks.paused = paused

    def observe(self, loss: Tensor) -> None:
        """Read the graph of a loss before its backward pass; the first one of a step counts."""
        if self.watching and not self._observed and isinstance(loss, Tensor) and loss.grad_fn is not None:
            self._observe(lambda inputs: self._recorder.observe([loss], inputs))

    def step(self, loss: Tensor | float | None = None, *, optimizer: Optimizer | None = None) -> None:
        """Call it after ``backward`` and before ``optimizer.step``: the step is measured and judged.

        Args:
            loss: of this step; a scalar.
            optimizer: the one that steps next, where several take turns.
        """
        self._next = optimizer
        self._guarded(self._note_updates)
        if self._guarded(self._overflowed, loss):  # the scaler skips the step: it has not been
            self._observed = False
            self.begin()
            return
        self._guarded(self._take, loss)
        self.index += 1
        self._observed, self._inputs, self.batch = False, {}, None
        if self.watching:
            self.begin()
        elif self.settings.finished(self.index):
            self._recorder.close()
        else:
            self._recorder.detach()

    def _guarded(self, call: Callable[..., T], *args: Any) -> T | None:
        try:
            return call(*args)
        except Exception as error:  # a monitor must not end the training that it watches
            self._recorder.failures.setdefault(f"step {self.index}", f"{type(error).__name__}: {error}")
            self._report = None
            logger.warning("step %d could not be measured: %s: %s", self.index, type(error).__name__, error)
            return None

    def _take(self, loss: Tensor | float | None) -> None:
        if not self.watching:
            if not self._run.kept.broken:  # the first one that was is located, and tells all there is
                self._loss_monitor.add(self.index, loss)
            if self._run.trial is not None and self._run.waiting:
                self._try_on(self._norms(self._run.trial.names))
            return
        scheduled = self.settings.watches(self.index)
        step, norms = self._guarded(self._measured, loss) or (None, {})
        if scheduled:  # the others come here too, whatever could be measured there or here
            step = self._ranks.joined(step, norms, self._run.weights)
        if step is not None:
            self._note(step)

    @property
    def report(self) -> Report:
        """What is known so far."""
        if self._report is None:
            self._report = diagnose(self.recording, self.settings)
        return self._report

    @property
    def recording(self) -> Recording:
        """The numbers so far: the first step, and the last ones."""
        return self._run.recording

    def close(self) -> None:
        """Take every hook away; the report stays."""
        self._recorder.close()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._inputs, self.batch = {}, None
        self.alerts.close()

    def _before_forward(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._recorder.hooks.paused = not torch.is_grad_enabled()  # an evaluation is no part of the training
        if self.watching and not self._observed and not self._recorder.hooks.paused:
            self.begin()
            self._inputs = dict(named_tensors(Call(*args, **kwargs)))

    def _after_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        if self.watching and not self._observed and not self._recorder.hooks.paused:
            self._observe(lambda inputs: self._recorder.observe_output(output, inputs))
        self._recorder.hooks.paused = False

    def _observe(self, read: Callable[[Mapping[str, Tensor]], None]) -> None:
        self._observed = True
        if self.batch is not None:
            self._inputs = dict(named_tensors(self.batch))
        read(self._inputs)
        if not self._run:
            self._run.detached = seen_detached(self._recorder, self._inputs)

    def _measured(self, loss: Tensor | float | None) -> tuple[Step, dict[str, float]]:
        """The numbers of this step, of what this process has seen of it; the norms of the parameters' gradients."""
        recorder = self._recorder
        if isinstance(loss, Tensor) and loss.grad_fn is not None:
            if not self._observed:  # no forward pass of the whole model: the graph's shape is still there
                self._observe(lambda inputs: recorder.observe([loss], inputs))
            recorder.observe_loss(loss)
        gradients = {name: p.grad for name, p in recorder.naming.parameters.items()}
        norms = self._norms(gradients)
        if not any(gradient is not None for gradient in gradients.values()):
            recorder.failures["gradients of the weights"] = (
                "none has one after the backward pass: they are kept elsewhere"
            )
        if not self._run:
            recorder.show_reached(gradients)
        step = recorder.step(self.index, _number(loss), gradients, norms, self._loss_scale.at_backward())
        told = {"overflows": self._overflows.before, "since": self._loss_monitor.taken()}
        step = step.model_copy(update=told) if any(told.values()) else step
        step = step.model_copy(update={"broken_inputs": _broken(self._inputs)}) if step.broken else step
        return step, norms

    def _note(self, step: Step) -> None:
        """One more step is known."""
        self._report = None
        news = self._run.add(step, skipped=self._loss_scale.skipped())
        if news or step.broken or (self._run.kept.due and self._changed()):
            self._judge()
        self.alerts.measured(lambda: self.recording, step)
        if self._run.kept.update_due:
            self._updates.before(self._recorder.layers, self._next)

    def _overflowed(self, loss: Tensor | float | None) -> bool:
        """Whether mixed precision's loss scale is still too large, so that the scaler skips the step."""
        if self.scaler is None or not self.watching:
            return False
        return self._overflows.note(_number(loss), self._norms(self._recorder.naming.parameters).values())

    def _note_updates(self) -> None:
        """What the optimizer's last step has changed belongs to the step that was measured before it."""
        found = self._updates.after()
        if found:
            self._run.kept.change_last(updates=found)

    def _changed(self) -> bool:
        """Whether the steps tell something that they did not before, or no longer what they did."""
        told, found = self._told, of_steps(self.recording, self.settings)
        self._told = {(each.key, each.severity) for each in found}
        return self._told != told

    def _judge(self) -> None:
        self.news = True
        self.alerts.judged(self.recording, self.report, self.index)

    def _norms(self, wanted: Iterable[str]) -> dict[str, float]:
        """Gradient norms, with the loss scale taken out."""
        parameters = self._recorder.naming.parameters
        norms = gradient_norms({name: parameters[name].grad for name in wanted if name in parameters})
        scale = self._loss_scale.now()
        return norms if scale == 1.0 else {name: norm / scale for name, norm in norms.items()}

    def _try_on(self, norms: Mapping[str, float]) -> None:
        self._report = None
        if self._run.try_on(norms, skipped=self._loss_scale.skipped()):
            self._judge()


def _number(loss: Tensor | float | None) -> float | None:
    return None if loss is None else float(loss.detach() if isinstance(loss, Tensor) else loss)


def _broken(inputs: Mapping[str, Tensor]) -> dict[str, Signal]:
    """The inputs that are not finite."""
    signals = {name: exact(tensor) for name, tensor in inputs.items()}
    return {name: signal for name, signal in signals.items() if signal is not None and signal.non_finite}


def watch(
    model: nn.Module,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    scaler: Any = None,
    writer: Any = None,
    settings: Settings | None = None,
) -> Monitor:
    """Watch the early steps of a training loop.

    ::

        with inithealth.watch(model, optimizer=optimizer) as monitor:
            for batch in loader:
                loss = ...
                loss.backward()
                monitor.step(loss)
                optimizer.step()
        print(monitor.report)

    Args:
        model: called as a whole once a step, or wrapped for several processes. Where only parts of it
            are called, ``monitor.observe(loss)`` before ``backward`` shows its graph.
        optimizer: for what its learning rate and kind imply; several in a list.
        scaler: a ``torch.amp.GradScaler`` whose scale is taken out of the gradients.
        writer: a ``torch.utils.tensorboard.SummaryWriter``.
        settings: schedule, rules, options.

    Raises:
        TypeError, ValueError: as :class:`Monitor` does.
    """
    return Monitor(model, optimizer=optimizer, scaler=scaler, writer=writer, settings=settings)
