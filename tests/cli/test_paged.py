"""The options of a check of a model that is larger than memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Report, check
from inithealth.sessions import paged
from inithealth.sessions.paged import Given, Source
from tests.cli.conftest import Run


class Called(list[dict[str, Any]]):
    """The arguments of each call of a check, which builds the model without saving memory."""

    def __call__(self, source: Source, given: Callable[[nn.Module], Given], **options: Any) -> Report:
        model = source.build()
        found = given(model)
        self.append({**options, **found._asdict(), "model": model, "weights": source.weights})
        options["progress"]("half")
        return check(model, found.batch, loss=found.loss, settings=options["settings"])


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    calls = Called()
    monkeypatch.setattr(paged, "paged_check", calls)
    return calls


def test_the_options_of_a_check(called: Called, run: Run) -> None:
    words = ("--memory", "1.5GB", "--optimizer", "adam:0.002", "--select", "IH1", "--input", "4,16")
    done = run("check", "mine.nets:Net", *words)
    assert done.status == 0, done.err
    [call] = called
    assert (call["memory"], call["weights"]) == (1_500_000_000, None)
    assert (type(call["optimizer"]), call["optimizer"].defaults["lr"]) == (torch.optim.Adam, 0.002)
    assert call["settings"].select == ("IH1",)
    assert (tuple(call["batch"].shape), call["loss"]) == ((4, 16), None)


@pytest.mark.parametrize("loss", [(), ("--loss", "mine.nets:loss")])
def test_the_batch_and_the_loss_of_a_factory(loss: tuple[str, ...], called: Called, run: Run) -> None:
    assert run("check", "mine.nets:healthy", "--memory", "1GB", *loss).status == 0
    assert called[0]["batch"].shape == (32, 16)
    assert called[0]["loss"].__name__ == "loss"
    done = run("check", "mine.nets:broken", "--memory", "1GB", "--no-verify", "--output-format", "json")
    assert done.status == 1
    assert Report.from_json(done.out).failures[0].source is not None


def test_token_ids_fit_an_embedding_without_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []

    def paged_check(source: Source, given: Callable[[nn.Module], Given], **options: Any) -> Report:
        with torch.device("meta"):
            model = source.build()
        batches.append(given(model).batch)
        return check(nn.Linear(2, 2), torch.randn(4, 2))

    monkeypatch.setattr(paged, "paged_check", paged_check)
    assert run("check", "mine.nets:Words", "--memory", "1GB", "--input", "9,40:int64").status == 0
    assert batches[0].device.type == "cpu"
    assert set(batches[0].flatten().tolist()) == set(range(50))


def test_several_seeds_are_checked_in_turn(called: Called, run: Run) -> None:
    done = run("check", "mine.nets:at_random", "--memory", "1GB", "--seeds", "4", "--output-format", "json")
    assert done.status == 1, done.err
    assert len(called) == 4
    assert len({call["model"].head.weight.sum().item() for call in called}) > 1
    assert any(note.startswith("seeds: ") for note in Report.from_json(done.out).notes)


def test_a_model_of_a_library_makes_its_batch_when_it_is_built(called: Called, run: Run) -> None:
    pytest.importorskip("transformers")
    sizes = ("num_hidden_layers=1", "hidden_size=16", "intermediate_size=32", "num_attention_heads=2", "vocab_size=20")
    words = [word for size in sizes for word in ("--arg", size)]
    done = run("check", "transformers:BertModel", "--memory", "1GB", *words)
    assert done.status in (0, 1), done.err
    assert called[0]["batch"]["input_ids"].dtype == torch.int64


def test_the_weights_of_a_folder(called: Called, run: Run, folder: Path) -> None:
    (folder / "weights").mkdir()
    words = ("check", "mine.nets:healthy", "--memory", "1GB", "--weights", "weights")
    assert run(*words).error == "--weights: weights has no safetensors file"
    header = b"{}"
    (folder / "weights" / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert run(*words).status == 0
    assert called[0]["weights"] == "weights"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--memory", "8 apples"), "--memory: '8 apples' is not an amount of memory: write it as 8GB"),
        (("--memory", "0GB"), "--memory: the memory must be at least 1 byte"),
        (("--weights", "folder"), "--weights needs --memory: add --memory 8GB"),
        (("--memory", "8GB", "--verify"), "--verify and --memory cannot be combined"),
        (("--memory", "8GB", "--weights", "none"), "--weights: there is no folder none"),
    ],
)
def test_invalid_options(words: tuple[str, ...], says: str, called: Called, run: Run) -> None:
    done = run("check", "mine.nets:healthy", *words)
    assert (done.status, called) == (2, [])
    assert done.error.startswith(says)
    assert "made by a user who prints" not in done.err


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            "mine.nets:made",
            "mine.nets:made is already a model: --memory needs a function or class that builds the model",
        ),
        ("mine.nets:raises", "checking mine.nets:raises: ZeroDivisionError: division by zero"),
        ("mine.nets:leaves", "checking mine.nets:leaves: SystemExit: 7"),
        ("mine.nets:text", "mine.nets:text returned str: it must return model, (model, batch)"),
        ("mine.nets:Net", "no batch: add --input 32,16"),
    ],
)
def test_an_error_of_the_target_is_one_line(target: str, says: str, called: Called, run: Run) -> None:
    done = run("check", target, "--memory", "1GB")
    assert done.status == 2
    assert done.error.startswith(says)


def test_an_error_of_the_check_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def paged_check(*args: Any, **options: Any) -> Report:
        raise ValueError("the largest layer needs 9 GB")

    monkeypatch.setattr(paged, "paged_check", paged_check)
    done = run("check", "mine.nets:healthy", "--memory", "1GB")
    assert done.error == "checking mine.nets:healthy: ValueError: the largest layer needs 9 GB"


def test_the_check_gets_the_errors_of_the_target_unchanged(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def paged_check(source: Source, *args: Any, **options: Any) -> Report:
        with pytest.raises(ZeroDivisionError):
            source.build()
        raise ValueError("mine/nets.py:90: the initialization reads values")

    monkeypatch.setattr(paged, "paged_check", paged_check)
    done = run("check", "mine.nets:raises", "--memory", "1GB")
    assert done.error == "checking mine.nets:raises: ValueError: mine/nets.py:90: the initialization reads values"


def test_a_whole_check(run: Run, folder: Path) -> None:
    done = run("check", "mine.nets:broken", "--memory", "1GB", "--output-format", "json")
    assert done.status == 1, done.err
    report = Report.from_json(done.out)
    assert report.failures
    assert any(note.startswith("memory: ") for note in report.notes)
