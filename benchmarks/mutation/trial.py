"""Runs one mutant against one test file, in a fork of a process that has imported torch and Lightning."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

_MEMORY = 8 * 2**30  # bytes: a mutant may allocate any amount
_LEAST = 10.0  # seconds
_WALL = 6.0  # multiple of the processor time: a mutant may sleep, and the machine may be busy


@dataclass(frozen=True)
class Trial:
    """A module's source, and the tests to run against it."""

    key: str
    path: Path
    source: str
    tests: Path
    limit: float = 120.0  # seconds of processor time


@dataclass(frozen=True)
class Outcome:
    """The result of the tests."""

    result: str  # "passed", "failed", "timed out"
    seconds: float  # of processor time


def warmed() -> None:
    """Import slow modules, but not inithealth; forks share them."""
    for name in ("numpy", "torch", "hypothesis", "pydantic", "pytorch_lightning", "torch.distributed.fsdp"):
        importlib.import_module(name)
    assert not any(name.partition(".")[0] == "inithealth" for name in sys.modules)


def run(trials: Iterable[Trial], workers: int) -> Iterator[tuple[Trial, Outcome]]:
    """Yield each trial with its outcome, in order of completion."""
    waiting, running = iter(trials), dict[int, tuple[Trial, float]]()
    while True:
        while len(running) < workers and (trial := next(waiting, None)) is not None:
            running[_started(trial)] = (trial, time.monotonic())
        if not running:
            return
        for pid, (trial, since) in list(running.items()):
            done, status, usage = os.wait4(pid, os.WNOHANG)
            late = time.monotonic() - since > _WALL * max(trial.limit, _LEAST)
            if not done and late:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                done, status, usage = os.wait4(pid, 0)
            if done:
                del running[pid]
                yield trial, _outcome(status, late, usage)
        time.sleep(0.02)


def _outcome(status: int, late: bool, usage: resource.struct_rusage) -> Outcome:
    over = late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL))
    result = "timed out" if over else "passed" if status == 0 else "failed"
    return Outcome(result, usage.ru_utime + usage.ru_stime)


def _started(trial: Trial) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setpgid(0, 0)
        _confined(max(trial.limit, _LEAST))
        code = int(pytest.main(_arguments(trial.tests), plugins=[_Finder(trial.path, trial.source)]))
    finally:
        os._exit(code)  # never continue the parent's code in the fork, whatever was raised


def _arguments(tests: Path) -> list[str]:
    # Hypothesis, which is also a pytest plugin, is already imported.
    known = "ignore::pytest.PytestAssertRewriteWarning"
    return [str(tests), "-n0", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-W", known]


def _confined(limit: float) -> None:
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(quiet, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 2))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Finder:
    """Finds one module with a different source. It precedes pytest's own finder, which rewrites plugins."""

    def __init__(self, path: Path, source: str) -> None:
        self._name = ".".join(path.with_suffix("").parts)
        self._path, self._source = path.absolute(), source

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=_Loader(name, self._path, self._source))


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)
