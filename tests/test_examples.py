"""Every example runs for a few steps, as a reader would run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(example: str, logdir: Path, steps: int) -> str:
    """Return the terminal output of an example, and assert that its exit status is 0."""
    command = [sys.executable, str(ROOT / "examples" / example), "--steps", str(steps), "--logdir", str(logdir)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # the log goes to stderr
        text=True,
        cwd=logdir,
        env=one_thread,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert list(logdir.rglob("events.out.tfevents.*")), "no TensorBoard log was written"
    return done.stdout


@pytest.mark.slow
def test_quickstart_names_the_bug_applies_the_fix_and_compares_the_losses(tmp_path: Path) -> None:
    printed = run("quickstart.py", tmp_path, steps=3)
    with_bug, with_fix, without = (part for part in printed.split(" ===\n")[1:])
    assert "unhealthy at step 0, 1 error" in with_bug
    assert "IH106 weight-scale" in with_bug
    assert with_fix.startswith("for i in range(4): nn.init.")
    assert "healthy at step 0 (GPT, 28 layers)" in with_fix
    assert "healthy at step 0 (GPT, 28 layers)" in without
    assert [line.split()[:2] for line in without.splitlines() if line.startswith("with")] == [
        ["with", "the"],
        ["with", "the"],
        ["without", "the"],
    ]
    assert f"tensorboard --logdir {tmp_path}" in without


@pytest.mark.slow
def test_digits_is_healthy(tmp_path: Path) -> None:
    printed = run("digits.py", tmp_path, steps=3)
    assert "inithealth: healthy at step" in printed
    assert "Accuracy on unseen digits" in printed


def test_plain_loop_stops_at_the_default_init_and_trains_the_fixed_one(tmp_path: Path) -> None:
    refused, repaired = run("plain_loop.py", tmp_path, steps=3).split("Once more, with He initialization:")
    assert "IH301" in refused
    assert "inithealth: healthy at step" in repaired


@pytest.mark.slow
def test_the_runs_for_the_tab_are_two_healthy_and_two_unhealthy_ones(tmp_path: Path) -> None:
    lines = run("tensorboard_runs.py", tmp_path, steps=2).splitlines()
    assert [": healthy" in line for line in lines[:4]] == [True, False, True, False]
    assert "IH106 weight-scale in 20.0" in lines[1]
    assert (
        sorted(path.name for path in tmp_path.iterdir())
        == "gpt_healthy gpt_unhealthy net_healthy net_unhealthy".split()
    )


@pytest.mark.slow
def test_the_trainer_of_transformers_is_watched_through_its_callbacks(tmp_path: Path) -> None:
    assert "inithealth: healthy at step 2 (GPT2LMHeadModel" in run("transformers_trainer.py", tmp_path, steps=3)


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_explains_what_it_shows(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 100
