"""The training objective: runs the model on the batch and returns a scalar loss."""

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
    """Runs the model and returns the loss.

    Attributes:
        batch: arguments of the model.
        targets: arguments of the loss after the output.
        own_step: whether a LightningModule's ``training_step`` returns the loss.
        note: describes the loss in the report.
        projected: whether a random projection replaces the loss, because none was given or found.

    Args:
        drawn: whether the batch comes from a DataLoader.

    Raises:
        TypeError: `loss` is not callable, or the batch does not match the arguments of model and loss.
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
        """Return whether ``training_step`` may have failed because the hooks before it have not run."""
        lacking = isinstance(error, AttributeError) or (isinstance(error, TypeError) and "NoneType" in str(error))
        return lacking and self.own_step and not self._started and bool(start_hooks(self.model))

    def start(self, failure: str) -> None:
        """Run the hooks that Lightning runs before the first ``training_step``. Raises ValueError if one fails."""
        self._started = True
        run_start_hooks(self.model, self.batch, failure)
        self.note += f" after {', '.join(start_hooks(self.model))}"

    def __call__(self, *, needs_graph: bool = True) -> Tensor:
        """Run one forward pass. Raises ValueError if the result is not a scalar loss, and the model's own errors."""
        torch.clear_autocast_cache()  # the caller's autocast caches the previous weights
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
        """Return the model's output. Raises TypeError if an argument must be a tensor but is not."""
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
        """Return the given loss. Raises TypeError if it expects a tensor but the output is a container."""
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
        """Return the training step's loss. Raises ValueError if it unpacks a single tensor as several elements."""
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
        if collected:  # manual optimization: the losses on which it called backward
            return torch.stack([loss.reshape(()) for loss in collected]).sum()
        return result.get("loss") if isinstance(result, Mapping) else result


_LOSS_ADVICE = "it is called with the model's output alone: pass loss=lambda output: criterion(output, targets)"


def _refuse_loss(loss: Any) -> None:
    """Raise TypeError if `loss` is not callable with an output."""
    if isinstance(loss, type):
        raise TypeError(f"loss is the class {loss.__name__}: pass loss={loss.__name__}()")
    if loss is not None and not callable(loss):
        known = isinstance(loss, str) and hasattr(nn.functional, loss)
        advice = f"torch.nn.functional.{loss}" if known else "lambda output: criterion(output, targets)"
        raise TypeError(f"loss must be a function of the model's output, not {type(loss).__name__}: pass loss={advice}")


def _full_name(value: Any) -> str:
    """Return the name of a value's class, formatted as in torch's messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _takes_index(step: Callable[..., Any]) -> bool:
    """Return whether ``training_step`` takes the batch index, determined as in Lightning."""
    parameters = inspect.signature(step).parameters.values()
    return len(parameters) > 1 or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)


def _scalar(loss: Any, what: str, needs_graph: bool) -> Tensor:
    if not isinstance(loss, Tensor):
        advice = "return the loss itself, without .item()" if isinstance(loss, (float, int)) else "return the loss"
        raise ValueError(f"{what} must return a scalar tensor, not {type(loss).__name__}: {advice}")
    if loss.numel() != 1:
        raise ValueError(f"{what} must return a scalar, not shape {tuple(loss.shape)}: reduce it with .mean()")
    if not loss.is_floating_point():
        raise ValueError(f"{what} must return a real floating-point number, not {loss.dtype}: only that has a gradient")
    if needs_graph and not loss.requires_grad:
        raise ValueError(
            f"{what} has no graph, so nothing would train: "
            "look for no_grad, .detach(), .data, .item() or numpy between the weights and the loss"
        )
    return loss.reshape(())


def _projection(output: Any) -> Tensor:
    """Return a seeded random projection of all floating-point outputs, of unit length, as the loss."""
    generator = torch.Generator("cpu").manual_seed(0)
    tensors = list(floating_tensors(output))
    if not tensors:
        raise ValueError(
            f"the output ({type(output).__name__}) contains no floating-point tensor for a loss: pass loss=..."
        )
    total = sum(t.numel() for t in tensors) ** 0.5
    parts = []
    for tensor in tensors:
        flat = tensor.values() if tensor.is_nested else tensor.to_dense()
        flat = torch.view_as_real(flat.resolve_conj()) if flat.is_complex() else flat
        direction = torch.randn(flat.shape, generator=generator, device="cpu").to(flat.device)
        parts.append((flat.float() * direction).sum() / total)
    return torch.stack(parts).sum()
