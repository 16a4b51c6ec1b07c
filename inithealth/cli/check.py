"""``inithealth check TARGET``."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import torch

from inithealth.cli.errors import BadInput, first_line, show_their_frames, their_frames
from inithealth.cli.inputs import batch_of
from inithealth.cli.optimizers import kind_of, optimizer_of
from inithealth.cli.output import Output
from inithealth.cli.progress import telling
from inithealth.cli.targets import Subject, Target, find
from inithealth.configuration import load, told
from inithealth.findings import Report, Severity
from inithealth.record.layers.class_source import definition
from inithealth.sessions.oneshot import check
from inithealth.settings import Settings


def run(options: argparse.Namespace) -> int:
    output, settings = Output.of(options), chosen(options)  # what was mistyped is told before anything is built
    report = report_of(
        options.target,
        options.input or (),
        settings,
        data=options.data,
        seeds=options.seeds,
        optimizer=options.optimizer,
    )
    return output.finish(report)


def report_of(
    name: str,
    shapes: Sequence[str],
    settings: Settings,
    *,
    data: str | None = None,
    seeds: int = 1,
    optimizer: str | None = None,
) -> Report:
    """The report of a target: of the worst of several initializations. Raises BadInput."""
    if optimizer is not None:
        kind_of(optimizer)  # a misspelt one is told before anything is built
    with telling(f"importing {name}"):
        target = find(name)
    if seeds > 1 and not target.fresh:
        raise BadInput(f"{name} is made already: for --seeds give the class or function that makes it")
    reports = []
    for seed in range(seeds):
        where = f" (seed {seed} of 0 to {seeds - 1})" if seeds > 1 else ""
        with telling(f"building {name}{where}"):
            subject = _built(target, seed)
        with telling(f"checking {name}{where}"):
            reports.append(_judged(name, subject, batch_of(subject, data, shapes), optimizer, settings))
    return _pointed(_worst(reports), target)


def chosen(options: argparse.Namespace) -> Settings:
    """The configuration file's settings, and what was typed over them. Raises BadInput."""
    typed: dict[str, Any] = {name: getattr(options, name) for name in ("select", "ignore", "fail_on")}
    typed = {name: value for name, value in typed.items() if value is not None}
    try:
        found = load(options.config, isolated=options.isolated)
        select = typed.get("select", found.select)
        if options.extend_select and select:
            typed["select"] = (*select, *options.extend_select)
        return Settings.model_validate({**found.model_dump(), **typed})
    except ValueError as error:
        raise BadInput(told(error)) from None


def _built(target: Target, seed: int) -> Subject:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    with _garbage_shown():
        return target.make()


@contextmanager
def _garbage_shown() -> Iterator[None]:
    """Within, memory that nobody fills is NaN: a forgotten initialization is certain to be seen."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _judged(name: str, subject: Subject, batch: Any, optimizer: str | None, settings: Settings) -> Report:
    made = optimizer_of(optimizer, subject.model)
    try:
        with redirect_stdout(sys.stderr):
            return check(subject.model, batch, loss=subject.loss, optimizer=made, settings=settings)
    except (Exception, SystemExit) as error:
        if their_frames(error):
            show_their_frames(error)
        raise BadInput(f"checking {name}: {first_line(error)}") from None


def _worst(reports: list[Report]) -> Report:
    """The report with most to say; what the others said is a note."""
    if len(reports) == 1:
        return reports[0]
    seed = max(range(len(reports)), key=lambda place: (_badness(reports[place]), -place))
    failed = sum(not report.ok for report in reports)
    note = f"seeds: {failed} of {len(reports)} initializations fail; this is seed {seed}, the worst"
    worst = reports[seed]
    return worst.model_copy(update={"notes": (*worst.notes, note)})


def _pointed(report: Report, target: Target) -> Report:
    """Findings on layers that no class of the user's holds point to what builds the model."""
    line = definition(target.code) if target.code is not None else None
    findings = [
        each if each.source or line is None else each.model_copy(update={"source": line}) for each in report.findings
    ]
    return report.model_copy(update={"findings": tuple(findings)})


def _badness(report: Report) -> tuple[int, ...]:
    counted = [cause for cause in report.causes if cause.suppressed is None]
    return tuple(sum(cause.severity is severity for cause in counted) for severity in reversed(Severity))
