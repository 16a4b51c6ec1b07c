"""``inithealth check TARGET``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from inithealth.cli.arguments import parsed
from inithealth.cli.building import built
from inithealth.cli.errors import BadInput, theirs
from inithealth.cli.explaining import explained
from inithealth.cli.inputs import batch_of, data_of
from inithealth.cli.losses import loss_of
from inithealth.cli.model_config import ModelConfig, read
from inithealth.cli.optimizers import kind_of, optimizer_of
from inithealth.cli.output import Output
from inithealth.cli.paged import Room, paged_report, room_of
from inithealth.cli.progress import live, telling
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
        verify: whether to try the fixes.
        arguments: ``name=value`` arguments of the class or function that creates the model.
        room: the memory for a model that is larger; None for a model that is built as a whole.
    """

    target: str | None
    inputs: Sequence[str] = ()
    data: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    seeds: int = 1
    verify: bool = True
    arguments: Sequence[str] = ()
    model_config: str | None = None
    room: Room | None = None


def run(options: argparse.Namespace) -> int:
    output, settings = Output.of(options), chosen(options)  # report invalid options before anything is built
    room = room_of(options.memory, options.weights, verify=options.verify)
    request = replace(request_of(options, verify=room is None and options.verify is not False), room=room)
    return output.finish(report_of(request, settings))


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
    if request.room is not None and not target.fresh:
        raise BadInput(f"{name} is already a model: --memory needs a function or class that builds the model")

    def judged(seed: int, *, verify: bool) -> Report:
        where = f" (seed {seed} of 0 to {seeds - 1})" if seeds > 1 else ""
        if request.room is not None:
            build = partial(built, target, seed, loss, explained=False)  # `paged_check` says what cannot be built later
            batch = partial(_batch, request=request, config=config)
            with explained(name, request.inputs), live(f"checking {name}{where}") as progress:
                return paged_report(build, batch, request.room, settings, request.optimizer, progress)
        with telling(f"building {name}{where}"):
            subject = built(target, seed, loss)
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
        subject = built(target, 0, loss)
    with telling(f"planning the initialization of {target.name}"):
        batch, made = _batch(subject, request, config), optimizer_of(request.optimizer, subject.model)
        with explained(target.name, request.inputs):
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


def _judged(name: str, subject: Subject, batch: Any, request: Request, settings: Settings) -> Report:
    made, verify = optimizer_of(request.optimizer, subject.model), request.verify
    with explained(name, request.inputs):
        return check(subject.model, batch, loss=subject.loss, optimizer=made, settings=settings, verify=verify)


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
