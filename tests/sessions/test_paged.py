"""A check in a limited memory gives the report of a check of the same model in memory."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import inithealth
from inithealth.record.paged import build
from inithealth.record.paged.pages import SPARE
from inithealth.recording import Recording
from inithealth.sessions.oneshot import record
from inithealth.sessions.paged import Given, Source, deferred, paged_check, paged_recording
from inithealth.settings import Settings
from tests.record.paged.test_shard import written

PICTURES, VECTORS, TOKENS = torch.randn(8, 3, 8, 8), torch.randn(16, 32), torch.randint(50, (4, 12))


class Blocks(nn.Module):
    """Residual blocks, one of them used twice, with checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm = nn.Embedding(50, 32), nn.LayerNorm(32)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)) for _ in range(3)])
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.words.weight
        self.register_buffer("places", torch.randn(12, 32))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens) + self.places
        for block in (*self.blocks, self.blocks[0]):
            x = x + checkpoint(block, self.norm(x), use_reentrant=False)
        logits: Tensor = self.head(self.norm(x))
        return logits


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.cells = nn.Embedding(50, 32), nn.LSTM(32, 48, 2, batch_first=True)
        self.attention, self.head = nn.MultiheadAttention(48, 4, batch_first=True), nn.Linear(48, 50)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.cells(self.words(tokens))[0]
        logits: Tensor = self.head(x + self.attention(x, x, x)[0])
        return logits


def pictures() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(32, 32, 3, groups=2)),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.Dropout(0.5),
        nn.Linear(64, 5),
    )


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    model[0].requires_grad_(False)
    return model


def exploding() -> nn.Module:
    model = nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(32, 32), nn.ReLU())), nn.Linear(32, 4))
    for layer in model[::2]:
        nn.init.normal_(layer.weight, std=1.0)
    return model


def zeros() -> nn.Module:
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    nn.init.zeros_(model[2].weight)
    nn.init.constant_(model[0].weight, 0.1)
    return model


def clones() -> nn.Module:
    layers = []
    for _ in range(3):
        torch.manual_seed(0)
        layers += [nn.Linear(32, 32), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(32, 4))


class Written(nn.Module):
    """Sets a scale in its first call."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(32, 256), nn.Linear(256, 4)
        self.scale, self.ready = nn.Parameter(torch.zeros(256)), False

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if not self.ready:
            self.scale.data.copy_(1 / x.detach().std(0))
            self.ready = True
        logits: Tensor = self.head((x * self.scale).relu())
        return logits


NETS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "blocks": (Blocks, TOKENS),
    "recurrent": (Recurrent, TOKENS),
    "pictures": (pictures, PICTURES),
    "frozen": (frozen, VECTORS),
    "exploding": (exploding, VECTORS),
    "zeros": (zeros, VECTORS),
    "clones": (clones, VECTORS),
    "written": (Written, VECTORS),
}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SMALL", 2**9)


def content(recording: Recording) -> dict[str, Any]:
    return recording.model_dump(mode="json", exclude={"notes"})


def in_memory(make: Callable[[], nn.Module], batch: Any, loss: Any = None) -> Recording:
    """Return the recording of a plain check of the model that a check in a limited memory has."""
    torch.manual_seed(0)
    model, pages, _ = deferred(Source(make), 2**30)
    for page in pages:
        page.recipe.fill(page.region.storage)
    return record(model, batch, loss=loss)


def limited(make: Callable[[], nn.Module], batch: Any, memory: int, loss: Any = None) -> Recording:
    torch.manual_seed(0)
    return paged_recording(Source(make), lambda _: Given(batch, loss), memory)


@pytest.mark.parametrize("name", NETS)
def test_the_recording_is_that_of_the_model_in_memory(name: str) -> None:
    make, batch = NETS[name]
    sizes = [each.nbytes for each in make().parameters()]
    expected = content(in_memory(make, batch))
    assert not expected["incomplete"]
    for room in (sum(sizes), max(sum(sizes) // 2, 2 * max(sizes)), 2 * max(sizes)):
        assert content(limited(make, batch, SPARE + room)) == expected


def test_weights_leave_the_memory_and_are_made_again() -> None:
    made = re.search(
        r"(\d+) weights were made (\d+) times", limited(exploding, VECTORS, SPARE + 2 * 32 * 32 * 4).notes[-1]
    )
    assert made is not None
    assert int(made[1]) == 6
    assert int(made[2]) > 6


@pytest.mark.parametrize("name", NETS)
def test_the_verdict_is_that_of_an_ordinary_build(name: str) -> None:
    make, batch = NETS[name]
    torch.manual_seed(0)
    eager = inithealth.check(make(), batch)
    torch.manual_seed(0)
    paged = inithealth.check(make, batch, memory="1GB")
    assert [each.code for each in paged.causes] == [each.code for each in eager.causes]


def test_a_loss_an_optimizer_and_its_steps() -> None:
    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output, torch.arange(16) % 4)

    adam = inithealth.check(
        zeros, VECTORS, loss=loss, optimizer=lambda model: torch.optim.Adam(model.parameters()), memory="1GB"
    )
    assert "optimizer: Adam(lr=0.001)" in adam.notes
    assert any(note.startswith("steps: SGD(lr=0.01) instead of Adam") for note in adam.notes)
    sgd = inithealth.check(zeros, VECTORS, loss=loss, memory="1GB")
    assert not any(note.startswith("steps:") for note in sgd.notes)


def test_steps_that_do_not_fit_are_reported() -> None:
    def wide() -> nn.Module:
        return nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(2)), Zeros(4000))

    report = inithealth.check(wide, torch.randn(2, 1, 8, 8), memory=SPARE + 4000 * 4000 * 4 + 2**25)
    assert any("optimizer steps" in each for each in report.not_measured)


class Zeros(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, size))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean() + (self.weight @ x.new_ones(len(self.weight))).mean()


def test_nothing_is_left_behind() -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    before = threading.active_count()
    inithealth.check(lambda: nn.Sequential(nn.Linear(32, 64), nn.Dropout(), nn.Linear(64, 2)), VECTORS, memory="1GB")
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()
    assert states[2] == random.getstate()
    assert threading.active_count() == before


def test_an_interruption_stops_all_threads() -> None:
    class Interrupted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(32, 300), nn.Linear(300, 32)

        def forward(self, x: Tensor) -> Tensor:
            self.other(self.one(x))
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        inithealth.check(Interrupted, VECTORS, memory="1GB")
    assert threading.active_count() == before
    assert inithealth.check(frozen, VECTORS, memory="1GB").ok


def test_an_initialization_after_a_build_on_meta() -> None:
    def on_meta() -> nn.Module:
        with torch.device("meta"):
            return nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))

    def scaled(model: nn.Module) -> None:
        for layer in (model[0], model[2]):  # type: ignore[index]
            nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight, std=3.0)

    report = inithealth.check(on_meta, VECTORS, memory="1GB", init=scaled)
    assert "IH106" in {cause.code for cause in report.causes}
    assert report.layers[0].weight is not None
    assert report.layers[0].weight.rms == pytest.approx(3.0, rel=0.05)
    with pytest.raises(ValueError, match=r"pass `init=`"):
        inithealth.check(on_meta, VECTORS, memory="1GB")


def test_the_weights_of_a_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained = Blocks()
    written(tmp_path / "model.safetensors", dict(trained.state_dict().items()))
    expected = content(record(trained, TOKENS))
    torch.manual_seed(0)
    found = paged_recording(Source(Blocks, weights=tmp_path), lambda _: Given(TOKENS), SPARE + 2**14)
    assert content(found) == expected
    assert "weights: all parameters are from the checkpoint" in found.notes


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    written(tmp_path / "model.safetensors", {"0.weight": torch.randn(3, 3)})
    with pytest.raises(ValueError, match=r"0.weight has the shape \(64, 32\), and 0.weight in the checkpoint \(3, 3\)"):
        inithealth.check(frozen, VECTORS, memory="1GB", weights=tmp_path)
    written(tmp_path / "model.safetensors", {"other": torch.randn(3, 3)})
    with pytest.raises(ValueError, match=r"the checkpoint has no tensor of Sequential, such as 0.weight"):
        inithealth.check(frozen, VECTORS, memory="1GB", weights=tmp_path)
    written(tmp_path / "model.safetensors", {"2.weight": torch.randn(64, 64)})
    notes = inithealth.check(frozen, VECTORS, memory="1GB", weights=tmp_path).notes
    left = "0.weight, 0.bias, 2.bias, ..."
    assert f"weights: 5 parameters are not in the checkpoint and keep their own initialization: {left}" in notes


def test_the_progress_and_the_notes() -> None:
    lines: list[str] = []
    report = paged_check(
        Source(frozen), lambda _: Given(VECTORS), settings=Settings(), memory=2**30, progress=lines.append
    )
    assert lines[0].startswith("1 of 6 weights, about ")
    assert "0.weight" in lines[0]
    assert lines[0].endswith(" GB of memory")
    assert any(note.startswith("memory: ") and "3 weights were made" in note for note in report.notes)


def compiled() -> nn.Module:
    model = frozen()
    model[2].compile()
    return model


def reads() -> nn.Module:
    model = nn.Linear(3000, 3000)
    if model.weight.norm() > 1:
        nn.init.zeros_(model.bias)
    return model


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("model", "options", "error", "says"),
    [
        (frozen(), {"memory": "1GB"}, TypeError, "model must be a function that builds the model, not Sequential"),
        (frozen, {"memory": "lots"}, ValueError, "'lots' is not an amount of memory"),
        (frozen, {"memory": "1MB"}, ValueError, r"1 MB of memory is less than .* needs: give 0.1GB or more"),
        (lambda: 3, {"memory": "1GB"}, TypeError, "the function must return a torch.nn.Module, not int"),
        (compiled, {"memory": "1GB"}, ValueError, "build the model without torch.compile"),
        (frozen, {"memory": "1GB", "verify": True}, ValueError, "verify does not work with memory"),
        (frozen, {"memory": "1GB", "optimizer": torch.optim.SGD}, None, ""),
        (frozen, {"init": print}, TypeError, "init needs memory"),
        (frozen, {"weights": "folder"}, TypeError, "weights needs memory"),
        (reads, {"memory": "0.2GB"}, ValueError, r"test_paged.py:\d+: the initialization reads values"),
    ],
)
def test_invalid_input(model: Any, options: dict[str, Any], error: type[Exception] | None, says: str) -> None:
    if error is None:
        options["optimizer"] = torch.optim.SGD(frozen().parameters(), lr=0.1)
        error, says = TypeError, "optimizer must be a function"
    with pytest.raises(error, match=says):
        inithealth.check(model, VECTORS, **options)
