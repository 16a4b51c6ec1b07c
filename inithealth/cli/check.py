"""``inithealth check TARGET``."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from inithealth.cli.arguments import parsed
from inithealth.cli.errors import BadInput, first_line, show_their_frames, their_frames, theirs
from inithealth.cli.inputs import batch_of, data_of
from inithealth.cli.losses import loss_of
from inithealth.cli.model_config import ModelConfig, read
from inithealth.cli.optimizers import kind_of, optimizer_of
from inithealth.cli.output import Output
from inithealth.cli.printing import UserOutput
from inithealth.cli.progress import telling
from inithealth.cli.targets import Subject, Target, find
from inithealth.configuration import error_message, load
from inithealth.findings import Report, Severity
from inithealth.record.layers.class_source import definition
from inithealth.sessions.initializing import Initialization, initialization
from inithealth.sessions.oneshot import check
from inithealth.settings import Settings


@dataclass(frozen=True)
class Request:
    """The options of one check.

    Attributes:
        target: None if the configuration specifies the model.
        inputs: the shapes of random inputs.
        arguments: ``name=value`` arguments of the class or function that creates the model.
    """

    target: str | None
    inputs: Sequence[str] = ()
    data: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    seeds: int = 1
    verify: bool = True  # try the fixes
    arguments: Sequence[str] = ()
    model_config: str | None = None


def run(options: argparse.Namespace) -> int:
    output, settings = Output.of(options), chosen(options)  # report invalid options before anything is built
    return output.finish(report_of(request_of(options, verify=options.verify), settings))


def request_of(options: argparse.Namespace, *, verify: bool) -> Request:
    """Return the request of a command with the options of a target."""
    return Request(
        target=options.target,
        inputs=options.input,
        data=options.data,
        loss=options.loss,
        optimizer=options.optimizer,
        seeds=options.seeds,
        verify=verify,
        arguments=options.arg,
        model_config=options.model_config,
    )


def report_of(request: Request, settings: Settings) -> Report:
    """Return the report of a target: the worst of several initializations. Raises BadInput."""
    loss, target, config = _found(request)
    seeds, name = request.seeds, target.name
    if seeds > 1 and not target.fresh:
        raise BadInput(f"{name} is already a model: with --seeds, give the class or function that creates it")

    def judged(seed: int, *, verify: bool) -> Report:
        where = f" (seed {seed} of 0 to {seeds - 1})" if seeds > 1 else ""
        with telling(f"building {name}{where}"):
            subject = _built(target, seed, loss)
        with telling(f"checking {name}{where}"):
            return _judged(name, subject, _batch(subject, request, config), replace(request, verify=verify), settings)

    if seeds == 1:
        return _pointed(judged(0, verify=request.verify), target)
    reports = [judged(seed, verify=False) for seed in range(seeds)]
    seed = max(range(seeds), key=lambda place: (_badness(reports[place]), -place))
    worst = judged(seed, verify=True) if request.verify and reports[seed].causes else reports[seed]
    failed = sum(not report.ok for report in reports)
    note = f"seeds: {failed} of {seeds} initializations fail; this is seed {seed}, the worst"
    return _pointed(worst.model_copy(update={"notes": (*worst.notes, note)}), target)


def initialized(request: Request, settings: Settings) -> Initialization:
    """Return a whole initialization of a target. Raises BadInput."""
    loss, target, config = _found(request)
    with telling(f"building {target.name}"):
        subject = _built(target, 0, loss)
    with telling(f"planning the initialization of {target.name}"):
        batch, made = _batch(subject, request, config), optimizer_of(request.optimizer, subject.model)
        with _explained(target.name, request):
            return initialization(subject.model, batch, loss=subject.loss, optimizer=made, settings=settings)


def _found(request: Request) -> tuple[Any, Target, ModelConfig | None]:
    """Return the loss, the target and the configuration. Raises BadInput."""
    if request.optimizer is not None:
        kind_of(request.optimizer)  # report an invalid name before anything is built
    arguments = parsed(request.arguments)
    config = None if request.model_config is None else read(request.model_config)
    with telling(f"importing {request.target or request.model_config or 'the model'}"):
        return loss_of(request.loss), find(request.target, arguments, config), config


def _batch(subject: Subject, request: Request, config: ModelConfig | None) -> Any:
    """Return the data given, else that of the configuration, else that of the target."""
    if config is None or config.data is None or request.data is not None or request.inputs:
        return batch_of(subject, request.data, request.inputs)
    return data_of("the data of the configuration", theirs("creating the data of the configuration", config.data))


def chosen(options: argparse.Namespace) -> Settings:
    """Return the settings of the configuration file, overridden by the options. Raises BadInput."""
    if options.config is not None and options.config.endswith((".yaml", ".yml")):
        raise BadInput(f"--config is the TOML file of settings: a model's is --model-config {options.config}")
    typed: dict[str, Any] = {name: getattr(options, name) for name in ("select", "ignore", "fail_on")}
    typed = {name: value for name, value in typed.items() if value is not None}
    try:
        found = load(options.config, isolated=options.isolated)
        select = typed.get("select", found.select)
        if options.extend_select and select:
            typed["select"] = (*select, *options.extend_select)
        return Settings.model_validate({**found.model_dump(), **typed})
    except ValueError as error:
        raise BadInput(error_message(error)) from None


def _built(target: Target, seed: int, loss: Any) -> Subject:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    with _garbage_shown():
        subject = target.make()
    return subject if loss is None else replace(subject, loss=loss)


@contextmanager
def _garbage_shown() -> Iterator[None]:
    """Fill uninitialized memory with NaN in the context, so that missing initializations are always found."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _judged(name: str, subject: Subject, batch: Any, request: Request, settings: Settings) -> Report:
    made, verify = optimizer_of(request.optimizer, subject.model), request.verify
    with _explained(name, request):
        return check(subject.model, batch, loss=subject.loss, optimizer=made, settings=settings, verify=verify)


@contextmanager
def _explained(name: str, request: Request) -> Iterator[None]:
    """In the context, redirect output of the user's code to stderr; raise errors as BadInput, with advice."""
    try:
        with redirect_stdout(UserOutput()):
            yield
    except (Exception, SystemExit) as error:
        advice = _advice(error, request)
        if their_frames(error) and not advice:
            show_their_frames(error)
        raise BadInput(f"checking {name}: {first_line(error)}{advice}") from None


def _advice(error: BaseException, request: Request) -> str:
    """Return a command or option that fixes the error, if the error shows it; else ""."""
    shapes = list(request.inputs)
    if not shapes:
        return ""
    if "scalar types: Long, Int" in str(error):
        return f": the model takes integers, {_typed(shapes, 'int64')}"
    sample = shapes[0].partition(",")[0]
    labels = f"--input {sample}:int64"
    if "training_step unpacks its batch" in str(error) or "target dtype to be Long" in str(error):
        inputs = shapes if len(shapes) == 1 else shapes[:-1]
        return f"; for class labels as the target type {_typed(inputs)} {labels}"
    if isinstance(error, TypeError) and "as the batch" in str(error):
        return f"; here: one more --input for the target, as {labels}"
    return ""


def _typed(shapes: list[str], dtype: str = "") -> str:
    """Return the `--input` options of these shapes; `dtype` is for those that have none."""
    return " ".join(f"--input {each if ':' in each or not dtype else f'{each}:{dtype}'}" for each in shapes)


def _pointed(report: Report, target: Target) -> Report:
    """Set the source of findings without one, such as those on library layers, to the code that builds the model."""
    line = definition(target.code) if target.code is not None else None
    findings = [
        each if each.source or line is None else each.model_copy(update={"source": line}) for each in report.findings
    ]
    return report.model_copy(update={"findings": tuple(findings)})


def _badness(report: Report) -> tuple[int, ...]:
    counted = [cause for cause in report.causes if cause.suppressed is None]
    return tuple(sum(cause.severity is severity for cause in counted) for severity in reversed(Severity))
