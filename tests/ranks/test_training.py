"""Training in several processes measures the whole batch, ends in all processes, and leaves no trace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from inithealth import Report
from inithealth.cli.main import main
from inithealth.recording import Recording, Step

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
MOST_SECONDS = 150


def trained(kind: str, processes: int, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "training.py"), kind, str(processes), str(folder), *more]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=MOST_SECONDS, cwd=HERE.parents[1], env=environment()
    )


def environment() -> dict[str, str]:
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "INITHEALTH"))}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}


@lru_cache
def alone(folder: Path) -> Recording:
    assert trained("single", 1, folder).returncode == 0
    return shown(folder, 0)


def shown(folder: Path, rank: int) -> Recording:
    kept: dict[str, Any] = json.loads((folder / f"rank{rank}.json").read_text())
    return Recording.model_validate_json(kept["recording"])


def weights(folder: Path, rank: int) -> str:
    kept: dict[str, str] = json.loads((folder / f"rank{rank}.json").read_text())
    return kept["weights"]


def numbers(step: Step) -> dict[str, float]:
    """Return values that are exact, or measured on all elements."""
    found = {"loss": step.loss, "norm": step.global_gradient_norm}
    for m in step.layers:
        for place, signal in (("input", m.input), ("output", m.output), ("gradient", m.gradient)):
            if signal is not None:
                shown = {"rms": signal.rms, "zeros": signal.zero_share, "numel": signal.numel}
                found |= {f"{m.layer} {place} {name}": value for name, value in shown.items()}
        found[f"{m.layer} weight gradient"] = m.weight_gradient
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(("kind", "processes"), [("ddp", 2), ("ddp", 4), ("sharded", 2), ("sharded", 4)])
def test_the_statistics_equal_those_of_one_process_with_the_whole_batch(
    kind: str, processes: int, tmp_path: Path
) -> None:
    single = alone(tmp_path)
    done = trained(kind, processes, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(processes):
        several = shown(tmp_path, rank)
        assert several.not_measured == ()
        for one, other in zip(single.layers, several.layers, strict=True):
            assert other.name == one.name
            assert other.activation == one.activation
            assert other.scheme == one.scheme
            assert other.weight == one.weight  # bit for bit: the whole weight was described
        for one, other in zip(single.steps, several.steps, strict=True):
            assert numbers(other) == pytest.approx(numbers(one), rel=1e-6)
    report = Report.from_json((tmp_path / "report.json").read_text())
    assert report.causes == ()
    assert any(note.startswith(f"process 0 of {processes}: sums are over all processes") for note in report.notes)


@pytest.mark.parametrize("kind", ["ddp", "sharded"])
def test_all_processes_raise_together_and_quickly(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    done = trained(kind, 2, tmp_path, "raise")
    assert done.returncode != 0
    assert time.monotonic() - started < MOST_SECONDS / 2  # almost all of it is importing
    assert "UnhealthyInit" in done.stderr
    report = Report.from_json((tmp_path / "report.json").read_text())
    assert [cause.code for cause in report.failures] == ["IH101"]
    assert main(["report", str(tmp_path / "report.json"), "--output-format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error file=tests/ranks/training.py,line=")
    assert not list(tmp_path.glob("rank*.json"))  # no process finished


def test_a_killed_process_does_not_affect_earlier_measurements(tmp_path: Path) -> None:
    done = trained("ddp", 2, tmp_path, "kill")
    assert done.returncode != 0
    report = Report.from_json((tmp_path / "report.json").read_text())
    assert report.step == 1  # the last step of both processes
    assert len(report.layers) == 4
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", ["ddp", "sharded"])
def test_the_weights_are_bit_identical_to_a_run_without_it(kind: str, tmp_path: Path) -> None:
    assert trained(kind, 2, tmp_path).returncode == 0
    watched = [weights(tmp_path, rank) for rank in range(2)]
    assert trained(kind, 2, tmp_path, "off").returncode == 0
    assert [weights(tmp_path, rank) for rank in range(2)] == watched
