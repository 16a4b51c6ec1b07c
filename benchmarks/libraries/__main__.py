"""Prints for each library model whether a check runs, and its findings."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path

import torch

import inithealth

from ..nets import Net

_LIBRARIES = ("forecasting", "cells", "neural", "views")
_ROOT = Path(__file__).parents[2]


def main() -> int:
    """Return 0 if every model could be checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.libraries", description=__doc__)
    parser.add_argument("--before", metavar="REVISION", help="git revision of inithealth to compare with")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    before = {} if options.before is None else _results_of(options.before)
    started, results = time.perf_counter(), {}
    _quiet()
    for net in (net for library in _LIBRARIES for net in import_module(f".{library}", __package__).nets()):
        results[net.name] = _checked(net)
        if not options.json:
            columns = [before[net.name], results[net.name]] if before else [results[net.name]]
            print(f"{net.name:<46}" + "".join(f"{_cut(each):<64}" for each in columns).rstrip(), flush=True)
    failed = [name for name, result in results.items() if result.startswith("failed")]
    if options.json:
        print(json.dumps(results))
    else:
        print(f"{len(results)} models, {len(failed)} failed, {time.perf_counter() - started:.0f} s")
    return int(bool(failed))


def _quiet() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _checked(net: Net) -> str:
    """Return the verdict with the causes, or the error."""
    torch.manual_seed(0)
    case = net.build()
    try:
        report = inithealth.check(case.model, case.batch, loss=case.loss)
    except Exception as error:  # shown in the table
        return f"failed: {type(error).__name__}: {error}"
    causes = ", ".join(" ".join([cause.code, *cause.layers[:1]]) for cause in report.causes)
    return f"{'healthy' if report.ok else 'unhealthy'}{causes and f': {causes}'}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 62 else f"{line[:59]}..."


def _results_of(revision: str) -> dict[str, str]:
    """Return the results of the ``inithealth`` of a revision for the same models."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", revision, "inithealth"], cwd=_ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        Path(folder, "benchmarks").symlink_to(_ROOT / "benchmarks")
        command = [sys.executable, "-m", "benchmarks.libraries", "--json"]
        environment = {**os.environ, "PYTHONPATH": folder}
        run = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout.splitlines()[-1])  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
