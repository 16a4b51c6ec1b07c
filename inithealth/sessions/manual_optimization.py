"""Manual optimization without effects: optimizers do not step, and losses run no backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from inithealth.sessions.lightning_module import is_lightning, with_attributes


@contextmanager
def backward_collected(model: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list of the losses on which the modules call backward; the backward pass does not run."""
    collected: list[Tensor] = []

    def manual_backward(loss: Tensor, *args: Any, **kwargs: Any) -> None:
        collected.append(loss)

    with ExitStack() as stack:
        for module in filter(is_lightning, model.modules()):
            stack.enter_context(with_attributes(module, {"manual_backward": manual_backward}))
        stack.enter_context(_Collecting(collected))
        yield collected


class _Collecting(TorchFunctionMode):
    """Collects the losses of ``loss.backward()``, which some modules call instead of ``manual_backward``."""

    def __init__(self, collected: list[Tensor]) -> None:
        super().__init__()
        self._collected = collected

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.backward:
            self._collected.append(args[0])
            return None
        return func(*args, **(kwargs or {}))


class Idle:
    """Wraps an optimizer or a scheduler; its steps do nothing."""

    def __init__(self, real: Any) -> None:
        self._real = real

    @property
    def optimizer(self) -> Idle:
        return self

    def step(self, closure: Any = None, *args: Any, **kwargs: Any) -> Any:
        return closure() if callable(closure) else None

    def zero_grad(self, set_to_none: bool = True) -> None:
        return None

    @contextmanager
    def toggle_model(self, sync_grad: bool = True) -> Iterator[None]:
        yield

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
