"""What a model trains on: one call that runs it on the batch and gives a scalar loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.call import Call
from inithealth.record.tensors import floating_tensors
from inithealth.sessions.binding import batch_advice, bind
from inithealth.sessions.lightning_module import run_start_hooks, start_hooks, trains_itself
from inithealth.sessions.manual_optimization import backward_collected
from inithealth.sessions.signature import called

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

LossFunction = Callable[..., Tensor]


class Objective:
    """Runs the model and gives the loss.

    Attributes:
        batch: what the model is called with.
        targets: what the loss receives after the output.
        own_step: whether a LightningModule's ``training_step`` gives it.
        note: which loss it is, for the report.
        projected: whether a random projection replaces the loss, because none was given or found.

    Args:
        drawn: whether the batch is a DataLoader's.

    Raises:
        TypeError: the loss cannot be called, or the batch does not fit the calls of model and loss.
    """

    def __init__(self, model: nn.Module, batch: Any, loss: LossFunction | None, *, drawn: bool = False) -> None:
        _refuse_loss(loss)
        self.model, self.loss = model, loss
        self.projected = self._started = False
        self.own_step = loss is None and trains_itself(model)
        if self.own_step:
            self.batch, self.targets, self.note = batch, (), "loss: training_step's"
            return
        bound = bind(model, batch, loss, drawn=drawn)
        self.batch, self.targets = bound.inputs, bound.targets
        self.note = " and ".join(("loss: as given, of the output", *bound.places)) if bound.places else "loss: as given"

    def lacks_start(self, error: Exception) -> bool:
        """Whether ``training_step`` failed for lack of what the hooks before it may make, which have not run yet."""
        lacking = isinstance(error, AttributeError) or (isinstance(error, TypeError) and "NoneType" in str(error))
        return lacking and self.own_step and not self._started and bool(start_hooks(self.model))

    def start(self, failure: str) -> None:
        """Run the hooks that Lightning runs before the first ``training_step``. Raises ValueError if one fails."""
        self._started = True
        run_start_hooks(self.model, self.batch, failure)
        self.note += f" after {', '.join(start_hooks(self.model))}"

    def __call__(self, *, needs_graph: bool = True) -> Tensor:
        """One forward pass. Raises ValueError when what comes out is no loss; the model's own errors as they are."""
        torch.clear_autocast_cache()  # within an autocast of the caller's it holds the weights as they were before
        loss, what = self._loss()
        return _scalar(loss, what, needs_graph)

    def _loss(self) -> tuple[Any, str]:
        if self.own_step:
            return self._unpacked_step(), "training_step"
        output = self._output()
        if self.loss is not None:
            return self._given(output), "the loss"
        found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        if isinstance(found, Tensor):
            self.note = "loss: the output's own"
            return found, "output.loss"
        self.note, self.projected = "loss: a random projection of the outputs (none given)", True
        return _projection(output), "the output"

    def _output(self) -> Any:
        """The model's output. Raises TypeError where what it received is no tensor and has to be one."""
        call = Call.of(self.batch)
        try:
            return called(self.model, call, batch_advice(self.loss))
        except TypeError as error:
            first = next(iter((*call.args, *call.kwargs.values())), None)
            if isinstance(first, Tensor) or f"must be Tensor, not {_full_name(first)}" not in str(error):
                raise
            raise TypeError(
                f"{error}: the batch holds a {type(first).__name__} where the model takes a tensor: pass "
                "torch.as_tensor(array), torch.randn(32, 20) for a shape, or a single batch of a list of them"
            ) from error

    def _given(self, output: Any) -> Any:
        """The loss given. Raises TypeError where it wants a tensor and the output is something around one."""
        assert self.loss is not None
        try:
            return called(self.loss, Call(output, *self.targets), _LOSS_ADVICE)
        except TypeError as error:
            if isinstance(output, Tensor) or f"must be Tensor, not {type(output).__name__}" not in str(error):
                raise
        inside = "output[0]" if isinstance(output, (tuple, list)) else "output.logits"
        raise TypeError(
            f"the model's output is a {type(output).__name__} and the loss takes a tensor: "
            f"pass loss=lambda output, target: criterion({inside}, target)"
        )

    def _unpacked_step(self) -> Any:
        """The training step's loss. Raises ValueError for one tensor where it unpacks several."""
        try:
            return self._training_step()
        except ValueError as error:
            if not isinstance(self.batch, Tensor) or "to unpack" not in str(error):
                raise
            unpacks = f"training_step unpacks its batch ({error}): pass all of it, for example (inputs, targets)"
            raise ValueError(unpacks) from error

    def _training_step(self) -> Any:
        step: Callable[..., Any] = self.model.training_step  # type: ignore[assignment]
        with backward_collected(self.model) as collected:
            result = step(self.batch, 0) if _takes_index(step) else step(self.batch)
        if collected:  # manual optimization: what it would have run backward on
            return torch.stack([loss.reshape(()) for loss in collected]).sum()
        return result.get("loss") if isinstance(result, Mapping) else result


_LOSS_ADVICE = "it is called with the model's output alone: pass loss=lambda output: criterion(output, targets)"


def _refuse_loss(loss: Any) -> None:
    """Raises TypeError for what cannot be called with an output."""
    if isinstance(loss, type):
        raise TypeError(f"loss is the class {loss.__name__}: pass loss={loss.__name__}()")
    if loss is not None and not callable(loss):
        known = isinstance(loss, str) and hasattr(nn.functional, loss)
        advice = f"torch.nn.functional.{loss}" if known else "lambda output: criterion(output, targets)"
        raise TypeError(f"loss must be a function of the model's output, not {type(loss).__name__}: pass loss={advice}")


def _full_name(value: Any) -> str:
    """The name of a value's class as torch's messages have it."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _takes_index(step: Callable[..., Any]) -> bool:
    """Whether ``training_step`` wants the batch's index too: Lightning asks the same."""
    parameters = inspect.signature(step).parameters.values()
    return len(parameters) > 1 or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)


def _scalar(loss: Any, what: str, needs_graph: bool) -> Tensor:
    if not isinstance(loss, Tensor):
        advice = "return the loss itself, without .item()" if isinstance(loss, (float, int)) else "return the loss"
        raise ValueError(f"{what} must give a scalar tensor, not {type(loss).__name__}: {advice}")
    if loss.numel() != 1:
        raise ValueError(f"{what} must give a scalar, not shape {tuple(loss.shape)}: reduce it with .mean()")
    if not loss.is_floating_point():
        raise ValueError(f"{what} must give a real floating number, not {loss.dtype}: only that has a gradient")
    if needs_graph and not loss.requires_grad:
        raise ValueError(
            f"{what} has no graph, so nothing would train: "
            "look for no_grad, .detach(), .data, .item() or numpy between the weights and the loss"
        )
    return loss.reshape(())


def _projection(output: Any) -> Tensor:
    """A seeded random direction of all floating outputs, of unit length, in place of a loss."""
    generator = torch.Generator().manual_seed(0)
    tensors = list(floating_tensors(output))
    if not tensors:
        raise ValueError(
            f"the output ({type(output).__name__}) holds no floating tensor to make a loss of: pass loss=..."
        )
    total = sum(t.numel() for t in tensors) ** 0.5
    parts = []
    for tensor in tensors:
        flat = tensor.values() if tensor.is_nested else tensor.to_dense()
        flat = torch.view_as_real(flat.resolve_conj()) if flat.is_complex() else flat
        direction = torch.randn(flat.shape, generator=generator).to(flat.device)
        parts.append((flat.float() * direction).sum() / total)
    return torch.stack(parts).sum()
