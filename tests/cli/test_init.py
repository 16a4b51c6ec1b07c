"""``inithealth init``: the code of a whole initialization, and what a check finds before and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import inithealth
from tests.cli.conftest import Run


@pytest.mark.parametrize("name", ["healthy", "broken", "alike"])
def test_the_code_is_printed_and_the_verdicts_beside_it(name: str, run: Run) -> None:
    done = run("init", f"mine.nets:{name}")
    assert done.status == 0
    assert done.out.startswith("from torch import nn\n\n\ndef init_weights(model):\n")
    assert "before: inithealth: " in done.err
    assert "after:  inithealth: healthy" in done.err


def test_the_code_makes_the_model_healthy(run: Run) -> None:
    space: dict[str, Any] = {}
    exec(run("init", "mine.nets:broken").out, space)
    nets = __import__("mine.nets", fromlist=["broken"])
    model, batch, loss = nets.broken()
    torch.manual_seed(0)
    assert not inithealth.check(model, batch, loss=loss).ok
    space["init_weights"](model)
    assert inithealth.check(model, batch, loss=loss).ok


def test_the_status_is_that_of_the_model_with_it(run: Run, folder: Path) -> None:
    (folder / "probabilities.py").write_text(
        "from torch import nn\n\nfrom mine import nets\n\n\ndef build():\n    model, batch, loss = nets.healthy()\n"
        "    return nn.Sequential(model, nn.Softmax(-1)), batch, loss\n"
    )
    done = run("init", "probabilities.py:build", "--fail-on", "warning")
    assert done.status == 1
    assert "def init_weights(model):" in done.out
    assert "after:  inithealth: unhealthy" in done.err
    assert run("init", "probabilities.py:build", "--fail-on", "warning", "--exit-zero").status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mine.nets:missing",), "missing"),
        (("mine.nets:Net",), "no batch: add --input"),
        (("mine.nets:Net", "--input", "8,3"), "checking mine.nets:Net: RuntimeError"),
        (("mine.nets:Net", "--arg", "width=3"), "width"),
    ],
)
def test_invalid_input_is_status_2(arguments: tuple[str, ...], says: str, run: Run) -> None:
    done = run("init", *arguments)
    assert (done.status, done.out) == (2, "")
    assert says in done.err
