"""What a model trains on: one call that runs it on the batch and gives a scalar loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.call import Call
from inithealth.record.tensors import floating_tensors
from inithealth.sessions.lightning_module import run_start_hooks, start_hooks, trains_itself
from inithealth.sessions.manual_optimization import backward_collected

LossFunction = Callable[[Any], Tensor]


class Objective:
    """Runs the model and gives the loss.

    Attributes:
        own_step: whether a LightningModule's ``training_step`` gives it.
        note: which loss it is, for the report.
        projected: True when no loss was given or found, and a random projection stands in.

    Raises:
        TypeError: the loss cannot be called.
    """

    def __init__(self, model: nn.Module, batch: Any, loss: LossFunction | None) -> None:
        if loss is not None and not callable(loss):
            raise TypeError(
                f"loss must be a function of the model's output, not {type(loss).__name__}: "
                "pass loss=lambda output: criterion(output, targets)"
            )
        self.model, self.batch, self.loss = model, batch, loss
        self.projected = self._started = False
        self.own_step = loss is None and trains_itself(model)
        self.note = "loss: training_step's" if self.own_step else "loss: as given"

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
            return self._training_step(), "training_step"
        output = _called(self.model, Call.of(self.batch), _BATCH_ADVICE)
        if self.loss is not None:
            return _called(self.loss, Call(output), _LOSS_ADVICE), "the loss"
        found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        if isinstance(found, Tensor):
            self.note = "loss: the output's own"
            return found, "output.loss"
        self.note, self.projected = "loss: a random projection of the outputs (none given)", True
        return _projection(output), "the output"

    def _training_step(self) -> Any:
        step: Callable[..., Any] = self.model.training_step  # type: ignore[assignment]
        with backward_collected(self.model) as collected:
            result = step(self.batch, 0) if _takes_index(step) else step(self.batch)
        if collected:  # manual optimization: what it would have run backward on
            return torch.stack([loss.reshape(()) for loss in collected]).sum()
        return result.get("loss") if isinstance(result, Mapping) else result


_BATCH_ADVICE = (
    "a tuple or list is model(*batch), a mapping model(**batch), inithealth.Call(batch) one argument. "
    "Of (inputs, targets) pass the inputs, and loss=lambda output: criterion(output, targets)"
)
_LOSS_ADVICE = "it is called with the model's output alone: pass loss=lambda output: criterion(output, targets)"


def _called(function: Callable[..., Any], call: Call, advice: str) -> Any:
    """The call's result; where the arguments do not fit the signature, TypeError with advice."""
    try:
        return function(*call.args, **call.kwargs)
    except TypeError as error:
        taker = function.forward if isinstance(function, nn.Module) else function
        if _fits(taker, call):
            raise
        raise TypeError(f"{error}: {advice}") from error


def _fits(function: Callable[..., Any], call: Call) -> bool:
    try:
        inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError:
        return False
    except ValueError:  # some built-in functions have no signature to ask
        return True
    return True


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
