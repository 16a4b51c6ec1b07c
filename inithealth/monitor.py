"""``watch``: the early steps of any training loop, sampled at a cost that nobody notices."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.alerts import Alerts
from inithealth.call import Call
from inithealth.diagnose import diagnose, of_steps
from inithealth.findings import Finding, Report, Severity
from inithealth.kept_steps import KeptSteps
from inithealth.record.batches import named_tensors, refuse_model
from inithealth.record.exact import exact
from inithealth.record.gradients import gradient_norms
from inithealth.record.loss_scale import LossScale
from inithealth.record.names import compiled_modules, unwrapped
from inithealth.record.optimizers import describe_optimizers, is_adaptive, is_idle
from inithealth.record.probation import Trial
from inithealth.record.ranks import Ranks
from inithealth.record.reach import seen_detached, unreached
from inithealth.record.recorder import Recorder
from inithealth.record.tensors import is_sharded
from inithealth.record.updates import Updates, left_out
from inithealth.recording import Recording, Signal, Step
from inithealth.rules.catalogue import selected
from inithealth.settings import Settings

logger = logging.getLogger("inithealth")

_MOST_OVERFLOWS = 20  # in a row: a scale of 2^16 has come down to 1 long before
T = TypeVar("T")
_OF_THE_START = ("IH1", "IH2", "IH3", "IH401")  # what rules say of an initialization, by their codes
_LOOK_EVERY = 25  # steps between two looks at losses that a look would have to wait for


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
        self._resumed = steps_taken if history is None else 0
        if self._resumed:  # nothing is known of how these weights started
            self.settings = self.settings.model_copy(update={"ignore": (*self.settings.ignore, *_OF_THE_START)})
        selected(self.settings)  # a misspelt rule is told now, not when the training runs
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
        self._sampled = self._recorder.most
        self._loss_scale = LossScale(scaler)
        self._history = history if history is not None and self._is_of_this_model(history) else None
        self._kept = KeptSteps(() if self._history is None else self._history.steps)
        self._trial: Trial | None = None
        self._detached: tuple[str, ...] = ()
        self._report: Report | None = None
        self._handles: list[Any] = []
        self._inputs: dict[str, Tensor] = {}
        self._observed = False
        self._overflows = self._skipped = 0  # in a row, now and before the last step that was none
        self._told: set[tuple[str, Severity]] = set()  # what the steps' rules found last
        self._losses: list[tuple[int, Tensor]] = []  # of steps that are not watched, not looked at yet
        self._broken_since: int | None = None  # a loss that was not finite asks for one more watched step
        naming = self._recorder.naming
        self._ranks = Ranks(
            together=together,
            layers=[naming.layer(name) for name in naming.parameters],
            sharded=[name for name, parameter in naming.parameters.items() if is_sharded(parameter)],
            device=next(self.model.parameters()).device,
        )
        self._updates = Updates(self._recorder.naming.parameters, self.optimizers)

    def __enter__(self) -> Monitor:
        # On the outermost module: a hook inside a compiled one would be compiled into it.
        self._handles += [
            self._outer.register_forward_pre_hook(self._before_forward, with_kwargs=True),
            self._outer.register_forward_hook(self._after_forward),
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
        return self.settings.watches(self.index) or self._broken_since is not None

    @property
    def recorded(self) -> bool:
        """Whether any step is."""
        return bool(self._kept)

    def begin(self) -> None:
        """Get ready for the coming step: what ran since the last one was no part of it."""
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

    def step(self, loss: Tensor | float | None = None) -> None:
        """Call it after ``backward`` and before ``optimizer.step``: the step is measured and judged.

        Args:
            loss: of this step; a scalar.
        """
        self._guarded(self._note_updates)
        if self._overflowed(loss):  # the scaler skips the step: it has not been
            self._observed = False
            self.begin()
            return
        self._guarded(self._take, loss)
        self.index += 1
        self._observed, self._inputs, self.batch = False, {}, None
        if self.watching:
            self._recorder.attach()
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
            self._look_at(loss)
            if self._trial is not None and not self._trial.settled:
                self._note_trial(self._norms(self._trial.names))
            return
        scheduled = self.settings.watches(self.index)
        step, norms = self._guarded(self._measured, loss) or (None, {})
        if scheduled:  # the others come here too, whatever could be measured there or here
            weights = {layer.name: layer.weight.name for layer in self._recorder.layers if layer.weight is not None}
            step = self._ranks.joined(step, norms, weights)
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
        recorder = self._recorder
        optimizer = describe_optimizers(self.optimizers) if self.optimizers else "SGD(lr=0.01) (none given)"
        apart = [layer.name for layer in unreached(recorder.layers)] if recorder.graph else []
        # Several optimizers have several losses, of which the first is seen: the others' layers are not unused.
        turns = tuple(f"{name}: no part of the loss that is watched" for name in apart if len(self.optimizers) > 1)
        apart = [] if turns else apart
        if self._history is not None:  # how the weights started, and what has come of it since
            late = {"steps": self._kept.steps, "left_out": self._left_out()}
            return self._history.model_copy(update=late)
        recording = recorder.recording(self._kept.steps)
        return recording.model_copy(
            update={
                "left_out": self._left_out(),
                "adaptive": is_adaptive(self.optimizers),
                "optimizer": optimizer,
                "probation": self._trial.result() if self._trial is not None and self._trial.needed_at_first else None,
                "detached": tuple(name for name in apart if name in self._detached),
                "unused": tuple(name for name in apart if name not in self._detached),
                "not_measured": recording.not_measured + turns,
                "notes": (
                    *([f"resumed at step {self._resumed}: the initialization is not judged"] if self._resumed else ()),
                    f"optimizer: {optimizer}",
                    f"sampled: at most {self._sampled} elements of each activation and gradient at the first step, "
                    f"{recorder.most} later; weights, their gradients and the loss are exact",
                ),
            }
        )

    def _left_out(self) -> tuple[str, ...]:
        naming = self._recorder.naming
        return tuple(sorted(left_out(naming.trainable, naming.parameters, self.optimizers)))

    def _is_of_this_model(self, history: Recording) -> bool:
        """Whether a history tells of the layers that this model has; then they are known from the start."""
        names = {layer.weight.name for layer in history.layers if layer.weight is not None}
        if not names or not names <= self._recorder.naming.parameters.keys():
            return False
        self._recorder.layers = history.layers
        return True

    def close(self) -> None:
        """Take every hook away; the report stays."""
        self._recorder.detach()
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
        if not self._kept:
            self._detached = seen_detached(self._recorder, self._inputs)

    def _measured(self, loss: Tensor | float | None) -> tuple[Step, dict[str, float]]:
        """The numbers of this step, of what this process has seen of it; the norms of the parameters' gradients."""
        recorder = self._recorder
        if isinstance(loss, Tensor) and loss.grad_fn is not None:
            if not self._observed:  # no forward pass of the whole model: the graph's shape is still there
                self._observe(lambda inputs: recorder.observe([loss], inputs))
            recorder.observe_loss(loss)
        gradients = {name: p.grad for name, p in recorder.naming.parameters.items()}
        norms = self._norms(gradients)
        if not self._kept:
            recorder.show_reached(gradients)
        value = None if loss is None else float(loss.detach() if isinstance(loss, Tensor) else loss)
        step = recorder.step(self.index, value, gradients, norms, self._loss_scale.at_backward())
        if self._skipped or self._broken_since is not None:
            step = step.model_copy(update={"overflows": self._skipped, "since": self._broken_since})
        self._broken_since = None
        step = step.model_copy(update={"broken_inputs": _broken(self._inputs)}) if step.broken else step
        return step, norms

    def _note(self, step: Step) -> None:
        """One more step is known."""
        recorder = self._recorder
        found, weights = (
            {m.layer: m.weight_gradient for m in step.layers},
            [each for each in recorder.layers if each.weight],
        )
        norms = {
            each.weight.name: norm for each in weights if (norm := found.get(each.name)) is not None and each.weight
        }
        self._report = None
        first = not self._kept
        self._kept.add(step)
        if first:
            self._trial = Trial(recorder.naming, recorder.layers, norms)
        else:
            self._note_trial(norms)
        if first or step.broken or self._changed():
            self._judge()
        self.alerts.measured(lambda: self.recording, step)
        self._updates.before(recorder.layers)

    def _overflowed(self, loss: Tensor | float | None) -> bool:
        """Whether mixed precision's loss scale is still too large, which is normal at first."""
        if self.scaler is None or not self.watching or self._overflows >= _MOST_OVERFLOWS:
            return False
        finite = loss is None or math.isfinite(float(loss.detach() if isinstance(loss, Tensor) else loss))
        over = finite and not all(map(math.isfinite, self._norms(self._recorder.naming.parameters).values()))
        self._skipped, self._overflows = self._overflows, self._overflows + 1 if over else 0
        return over

    def _note_updates(self) -> None:
        """What the optimizer's last step has changed belongs to the step that was measured before it."""
        found = self._updates.after()
        if found:
            self._kept.change_last(updates=found)

    def _changed(self) -> bool:
        """Whether the steps tell something that they did not before, or no longer what they did."""
        told, found = self._told, of_steps(self.recording, self.settings)
        self._told = {(each.key, each.severity) for each in found}
        return self._told != told

    def _look_at(self, loss: Tensor | float | None) -> None:
        """A loss of a step that is not watched: only whether it is finite, and not at once where that would wait."""
        if self._kept.broken:  # the first one was located, and tells all there is
            return
        if isinstance(loss, Tensor):
            self._losses.append((self.index, loss.detach()))
        if len(self._losses) >= _LOOK_EVERY or not isinstance(loss, Tensor) or not loss.is_cuda:
            broken = [index for index, value in self._losses if not bool(torch.isfinite(value).all())]
            self._losses.clear()
            self._broken_since = broken[0] if broken else None

    def _judge(self) -> None:
        self.news = True
        self.alerts.judged(self.recording, self.report, self.index)

    def _norms(self, wanted: Iterable[str]) -> dict[str, float]:
        """Gradient norms, with the loss scale taken out."""
        parameters = self._recorder.naming.parameters
        norms = gradient_norms({name: parameters[name].grad for name in wanted if name in parameters})
        scale = self._loss_scale.now()
        return norms if scale == 1.0 else {name: norm / scale for name, norm in norms.items()}

    def _note_trial(self, norms: Mapping[str, float]) -> None:
        """The last optimizer step counts for the probation if it moved anything."""
        if self._trial is None or self._trial.settled:
            return
        if not self._loss_scale.skipped() and not is_idle(self.optimizers):
            self._trial.note(norms)
            self._report = None
            if self._trial.just_settled:
                self._judge()


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
