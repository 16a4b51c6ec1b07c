"""The guard around everything that runs in the user's calls: errors are recorded, never raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import torch
from torch.utils._python_dispatch import _disable_current_modes

from inithealth.record.failures import Failures, is_of_user
from inithealth.record.live import tracing

# Bound once, because every hook calls them.
_Disabled, _Enabled = torch._C.DisableTorchFunction, torch._C._EnableTorchFunction
_grads, _set_grads, _modes = torch.is_grad_enabled, torch._C._set_grad_enabled, torch._C._len_torch_dispatch_stack

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Runs functions during a training without ending or changing it.

    Modes of the user, such as a default device or a counter of operations, do not see what the functions do, and
    neither does the autograd graph.

    Args:
        failures: where errors are recorded.
        log: called with the place and the error, when it is recorded.
        stops: errors that are raised intentionally.
        foreign: whether it runs functions of the user, which see the user's modes.
    """

    def __init__(
        self,
        failures: Failures,
        log: Callable[[str, BaseException], None] | None = None,
        stops: tuple[type[BaseException], ...] = (),
        foreign: bool = False,
    ) -> None:
        self.failures, self.log, self._stops, self._foreign = failures, log, stops, foreign
        self.grads = True  # whether gradients are enabled in the code that made the present call
        self.what = ""  # the place of an error, if the call does not name it
        self.leave: Callable[[], None] | None = None  # called before an interruption is raised: removes the hooks
        self._process = tracing.forks

    def run(
        self,
        call: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        what: str = "",
        default: Any = None,
        always: bool = False,
    ) -> Any:
        """Return the result of a call, or `default` if it fails.

        Args:
            what: the place of an error.
            default: also returned in a forked process, and while the call is traced.
            always: run it there as well.

        Raises:
            BaseException: an interruption by the user, or a stop.
        """
        try:
            if not always and (self._process != tracing.forks or tracing.is_traced()):
                return default
            if self._foreign:
                with _Enabled():
                    return call(*args, **kwargs or {})
            with _Disabled():
                self.grads = grads = _grads()
                _set_grads(False)
                try:
                    if not _modes():
                        return call(*args, **kwargs or {})
                    with _disable_current_modes():
                        return call(*args, **kwargs or {})
                finally:
                    _set_grads(grads)
        except BaseException as error:
            if self._raises(what, error):
                raise
            return default

    def attempt(self, call: Callable[..., Any], *args: Any, default: Any = None) -> Any:
        """Do the same inside a guarded call, for a part whose failure must not end the rest of the call."""
        try:
            return call(*args)
        except BaseException as error:
            if self._raises("", error):
                raise
            return default

    def _raises(self, what: str, error: BaseException) -> bool:
        """Record an error. Return whether it must be raised."""
        try:
            return self._caught(what, error)
        except BaseException as second:  # while the first one is recorded
            if is_of_user(second):
                raise
            return False

    def _caught(self, what: str, error: BaseException) -> bool:
        """Record an error. Return whether it must be raised."""
        if isinstance(error, self._stops):
            return True
        if is_of_user(error):
            if self.leave is not None:
                self.leave()
            return True
        new = self.failures.note(what or self.what, error)
        if new and self.log is not None and (not what or self._foreign):  # not for each layer
            self.log(what or self.what, error)
        return False

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies guard another object: they start without errors."""
        return Guard, (Failures(), None, self._stops, self._foreign)


class _Guarded(Protocol):
    _guard: Guard


S = TypeVar("S", bound=_Guarded)
Method = Callable[Concatenate[S, P], R]


def guarded(default: R, *, always: bool = False) -> Callable[[Method[S, P, R]], Method[S, P, R]]:
    """Let the guard of an object run one of its methods.

    Args:
        default: returned if the method fails.
        always: run it in forked processes and while it is traced, too.
    """

    def decorate(method: Method[S, P, R]) -> Method[S, P, R]:
        @wraps(method)
        def entry(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if torch.compiler.is_compiling():  # a constant for the compiler: nothing of this is in its graph
                return default
            return cast(R, self._guard.run(method, (self, *args), kwargs, default=default, always=always))

        return cast(Method[S, P, R], entry)

    return decorate
