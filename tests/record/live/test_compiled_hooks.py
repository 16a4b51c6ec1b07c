"""Layers in compiled code, measured by hooks that are compiled with them, without graph breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import inithealth
from inithealth import InitHealth, Monitor, Settings
from inithealth.record.live.compiled_hooks import CompiledTap

# Torch's compiler uses deprecated functions, and reads gradients that are not kept.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
]
ROWS = 12  # so few that every output fits in a sample
INPUTS, TARGETS = torch.randn(ROWS, 8, generator=torch.Generator().manual_seed(1)), torch.arange(ROWS) % 4


class Block(nn.Module):
    def __init__(self, *, checkpointed: bool = False) -> None:
        super().__init__()
        self.norm, self.wide, self.narrow = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)
        self.checkpointed = checkpointed

    def branch(self, x: Tensor) -> Tensor:
        return self.narrow(F.gelu(self.wide(self.norm(x))))

    def forward(self, x: Tensor) -> Tensor:
        return x + (checkpoint(self.branch, x, use_reentrant=False) if self.checkpointed else self.branch(x))


class Net(nn.Module):
    def __init__(self, *, checkpointed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Linear(8, 16), nn.Linear(16, 4)
        self.blocks = nn.Sequential(*(Block(checkpointed=checkpointed) for _ in range(10)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


def whole(net: Net) -> nn.Module:
    return torch.compile(net, backend="aot_eager", fullgraph=True)  # type: ignore[return-value]


def in_place(net: Net) -> nn.Module:
    net.compile(backend="aot_eager", fullgraph=True)
    return net


def by_block(net: Net) -> nn.Module:
    for block in net.blocks:
        block.compile(backend="aot_eager", fullgraph=True)
    return net


WAYS = pytest.mark.parametrize(
    "way",
    [*(pytest.param(way, marks=pytest.mark.slow) for way in (whole, in_place)), by_block],
    ids=["whole", "in_place", "by_block"],
)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def train(
    model: nn.Module, *, steps: int = 3, settings: Settings | None = None, batch: Any = lambda i: ROWS
) -> Monitor:
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer, settings=settings) as monitor:
        for index in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(INPUTS[: batch(index)]), TARGETS[: batch(index)])
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor


def outputs(monitor: Monitor, step: int) -> dict[str, float]:
    found = {m.layer: m.output.rms for m in monitor.recording.steps[step].layers if m.output is not None}
    assert found
    return found


@WAYS
def test_each_layers_output_equals_that_of_the_eager_model(way: Callable[[Net], nn.Module]) -> None:
    compiled, plain = train(way(Net())), train(Net())
    assert outputs(compiled, 0).keys() == outputs(plain, 0).keys()
    for step in range(3):
        assert outputs(compiled, step) == pytest.approx(outputs(plain, step), rel=1e-5)


@WAYS
def test_there_are_no_graph_breaks_and_no_recompilations(way: Callable[[Net], nn.Module]) -> None:
    train(way(Net()), steps=12)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 1


def step(model: nn.Module, monitor: Monitor) -> None:
    model.zero_grad()
    loss = F.cross_entropy(model(INPUTS), TARGETS)
    loss.backward()
    monitor.step(loss)


@pytest.mark.slow
def test_hooks_stay_on_unwatched_steps_and_are_removed_at_the_end() -> None:
    net = Net()
    model = whole(net)
    with inithealth.watch(model, settings=Settings(schedule=4, until=4)) as monitor:
        for _ in range(5):
            assert all(module._forward_hooks for module in net.modules() if module._parameters)
            step(model, monitor)
        assert counters["stats"]["unique_graphs"] == 1
        assert not any(module._forward_hooks for module in net.modules())
        for _ in range(3):
            step(model, monitor)
        assert counters["stats"]["unique_graphs"] == 2  # one more, without them
    assert [len(outputs(monitor, place)) for place in (0, 1)] == [32, 32]


@pytest.mark.slow
def test_hooks_are_attached_before_the_first_call_of_a_resumed_run() -> None:
    model = whole(Net())
    with Monitor(model, steps_taken=6, settings=Settings(schedule=4)) as monitor:
        for _ in range(4):
            step(model, monitor)
    assert [each.index for each in monitor.recording.steps] == [8]
    assert len(outputs(monitor, 0)) == 32


@pytest.mark.slow
def test_checkpoints_in_compiled_code() -> None:
    compiled, plain = train(whole(Net(checkpointed=True))), train(Net())
    assert outputs(compiled, 2) == pytest.approx(outputs(plain, 2), rel=1e-5)


@pytest.mark.slow
def test_batches_of_different_sizes() -> None:
    def size(step: int) -> int:
        return ROWS - step

    compiled = train(torch.compile(Net(), backend="aot_eager"), steps=4, batch=size)  # type: ignore[arg-type]
    plain = train(Net(), steps=4, batch=size)
    assert outputs(compiled, 3) == pytest.approx(outputs(plain, 3), rel=1e-5)
    assert counters["stats"]["unique_graphs"] <= 2  # one for the first size, one for any size


def test_missing_measurements_of_compiled_layers_are_reported() -> None:
    shown = train(whole(Net())).report.not_measured
    assert any("gradient at its output" in line and "32 such layers" in line for line in shown)
    assert any("inithealth.check(model, batch)" in line for line in shown)


def test_a_model_compiled_before_is_reported_as_only_having_weights() -> None:
    net = whole(Net())
    net(INPUTS).sum().backward()
    report = train(net).report
    assert any(line.startswith("stem: only its weights are measured") for line in report.not_measured)
    assert "IH409" in {finding.code for finding in report.findings}


def test_an_exploding_output_is_found() -> None:
    net = Net()
    nn.init.normal_(net.stem.weight, std=100.0)
    report = train(whole(net)).report
    assert any("stem" in finding.layers for finding in report.findings), report


class Lit(pytorch_lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.net(batch[0])

    def configure_optimizers(self) -> Any:
        return SGD(self.parameters(), lr=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("outer", [False, True], ids=["its net", "the module"])
def test_a_validation_before_the_training_does_no_harm_in_lightning(outer: bool) -> None:
    lit = Lit()
    if outer:
        model: Any = torch.compile(lit, backend="aot_eager")
    else:
        lit.net.compile(backend="aot_eager")
        model = lit
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4)
    callback = InitHealth(settings={"until": 2})
    trainer = pytorch_lightning.Trainer(
        max_steps=6,
        accelerator="cpu",
        logger=False,
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(model, loader, loader)
    assert callback.report is not None
    assert sum(m.output is not None for m in callback.report.measurements) == 32
    assert not any(module._forward_hooks for module in lit.modules())


@pytest.mark.parametrize("shape", [(4, 8), (1,), (64, 100), (3, 5000)])
def test_a_tap_copies_the_output(shape: tuple[int, ...]) -> None:
    tap = CompiledTap(torch.zeros(1), most=1024)
    output = torch.randn(shape, generator=torch.Generator().manual_seed(2)) + 1
    tap(nn.Identity(), (), output.to(torch.bfloat16))
    numel = output.numel()
    kept = tap.values[:numel]
    assert int(tap.numel) == numel
    assert len(kept) == min(numel, 1024)
    assert float(kept.mean()) == pytest.approx(float(output.mean()), abs=0.15)
    assert bool(torch.isin(kept, output.to(torch.bfloat16).float()).all())


@pytest.mark.parametrize("output", [None, "text", (), torch.arange(3), torch.empty(0), {"a": torch.ones(2)}])
def test_a_tap_ignores_unreadable_outputs(output: Any) -> None:
    tap = CompiledTap(torch.zeros(1), most=8)
    assert tap(nn.Identity(), (), output) is None
    assert int(tap.numel) == 0


def test_sampled_positions_are_not_aligned_with_the_features() -> None:
    tap = CompiledTap(torch.zeros(1), most=1024)
    tap(nn.Identity(), (), torch.arange(64.0).repeat(1024))
    assert float(tap.values.mean()) == pytest.approx(31.5, abs=1.0)
    assert len(tap.values.unique()) == 64


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_compiled_training_is_bit_identical(precision: torch.dtype) -> None:
    def weights(*, watched: bool) -> list[Tensor]:
        torch._dynamo.reset()
        net = Net()
        model = torch.compile(net, backend="inductor")
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        monitor = inithealth.watch(model, optimizer=optimizer) if watched else None  # type: ignore[arg-type]
        with monitor or nullcontext():
            for _ in range(6):
                optimizer.zero_grad()
                with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
                    loss = F.cross_entropy(model(INPUTS).float(), TARGETS)
                loss.backward()
                if monitor is not None:
                    monitor.step(loss)
                optimizer.step()
        assert monitor is None or outputs(monitor, 0)
        return [parameter.detach().clone() for parameter in net.parameters()]

    pairs = zip(weights(watched=True), weights(watched=False), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
