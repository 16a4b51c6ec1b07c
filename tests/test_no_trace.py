"""Watching a run does not change it: weights, losses, random numbers and optimizer are bit-identical."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset

import inithealth
from inithealth import InitHealth

# Torch's compiler uses deprecated functions, and reads gradients that are not kept.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
]
STEPS = 6
TARGETS = torch.arange(48) % 4


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(6, 12, num_layers=2, dropout=0.2, batch_first=True), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.embedding, self.encoder = nn.Linear(6, 16), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embedding(x)).mean(1))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(inplace=True), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 4))


def convolutional() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout2d(0.2)),
        *(nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(72, 4)),
    )


def zero_head() -> nn.Module:
    """Return a network with suspects: probation reads gradients at more steps."""
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    nn.init.zeros_(net[2].weight)
    return net


def compiled() -> nn.Module:
    return torch.compile(convolutional(), backend="aot_eager")  # type: ignore[return-value]


def compiled_layers() -> nn.Module:
    net = Attending()
    for layer in net.encoder.layers:
        layer.compile(backend="aot_eager")
    return net


def scaled_precision() -> Any:
    return pytorch_lightning.plugins.MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))


def averaging() -> list[Any]:
    return [pytorch_lightning.callbacks.StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1)]


SGD_SLOW = partial(SGD, lr=0.01)


@dataclass(frozen=True)
class Run:
    net: Callable[[], nn.Module]
    shape: tuple[int, ...]
    optimizer: Callable[[Any], Optimizer] = lambda parameters: SGD(parameters, lr=0.1, momentum=0.9)
    options: dict[str, Any] = field(default_factory=dict)


RUNS = {
    "perceptron, SGD": Run(perceptron, (8,)),
    "dropout conv net, Adam": Run(convolutional, (3, 8, 8), Adam),
    "LSTM": Run(Recurrent, (5, 6), Adam),
    "transformer": Run(Attending, (5, 6), Adam),
    "suspects": Run(zero_head, (8,)),
    "accumulation": Run(convolutional, (3, 8, 8), Adam, {"accumulate_grad_batches": 2}),
    "clipping": Run(perceptron, (8,), Adam, {"gradient_clip_val": 0.1}),
    "bfloat16": Run(Attending, (5, 6), Adam, {"precision": "bf16-mixed"}),
    "float64": Run(convolutional, (3, 8, 8), Adam, {"precision": "64-true"}),
    "bfloat16 weights": Run(perceptron, (8,), Adam, {"precision": "bf16-true"}),
    "loss scale": Run(perceptron, (8,), Adam, {"plugins": lambda: [scaled_precision()]}),
    "loss scale, fused": Run(perceptron, (8,), partial(Adam, fused=True), {"plugins": lambda: [scaled_precision()]}),
    "anomaly detection": Run(Attending, (5, 6), Adam, {"detect_anomaly": True}),
    "few batches": Run(convolutional, (3, 8, 8), Adam, {"limit_train_batches": 2}),
    "several epochs": Run(convolutional, (3, 8, 8), Adam, {"limit_train_batches": 1, "max_epochs": 4}),
    "fast development run": Run(Attending, (5, 6), Adam, {"fast_dev_run": 3}),
    "stochastic weight averaging": Run(perceptron, (8,), SGD_SLOW, {"callbacks": averaging}),
    "compiled": Run(compiled, (3, 8, 8), Adam),
    "compiled layers, bfloat16": Run(compiled_layers, (5, 6), Adam, {"precision": "bf16-mixed"}),
    "manual optimization": Run(perceptron, (8,), Adam, {"manual": True}),
}
BY_NAME = pytest.mark.parametrize("name", RUNS)


def loader(run: Run) -> DataLoader[Any]:
    inputs = torch.randn(48, *run.shape, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(inputs, TARGETS), batch_size=8, shuffle=True)


def seed() -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)


def drawn() -> tuple[float, float, float]:
    """Return the next number of every generator: equal only if each was used equally often."""
    return float(torch.rand(())), random.random(), float(np.random.random())


def flat(value: Any) -> list[Any]:
    """Return all values in nested dicts and lists, with tensors as bytes with their dtype."""
    if isinstance(value, Tensor):
        return [str(value.dtype), value.detach().reshape(-1).view(torch.uint8).numpy().tobytes()]
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in (key, *flat(item))]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


class Net(pytorch_lightning.LightningModule):
    """Draws from every generator in each step, and stores the results."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.net, self.run, self.seen = run.net(), run, []

        self.automatic_optimization = not run.options.get("manual", False)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.seen.append((loss.detach().clone(), drawn()))
        if not self.automatic_optimization:
            self.optimizers().zero_grad()
            self.manual_backward(loss)
            self.optimizers().step()
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.seen.append([None if p.grad is None else p.grad.clone() for p in self.parameters()])

    def configure_optimizers(self) -> Optimizer:
        return self.run.optimizer(self.parameters())


def fitted(run: Run, callbacks: list[Any], *, before: Callable[[Net, Any], Any] = lambda net, batch: None) -> list[Any]:
    """Return all effects of a fit."""
    seed()
    model = Net(run)
    options = {name: value() if callable(value) else value for name, value in run.options.items() if name != "manual"}
    trainer = pytorch_lightning.Trainer(
        max_steps=STEPS // run.options.get("accumulate_grad_batches", 1),
        callbacks=[*options.pop("callbacks", ()), *callbacks],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **options,
    )
    batches = loader(run)
    before(model, next(iter(DataLoader(batches.dataset, batch_size=8, generator=torch.Generator()))))
    trainer.fit(model, batches)
    optimizers = [optimizer.state_dict() for optimizer in trainer.optimizers]
    return flat([model.seen, model.state_dict(), optimizers, drawn(), checkpoint_of(trainer)])


def checkpoint_of(trainer: Any) -> dict[str, Any]:
    """Return the saved state, without this package's entry and the wall-clock times of the loops."""
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/last.ckpt")
        saved: dict[str, Any] = torch.load(f"{folder}/last.ckpt", weights_only=False)
    saved["callbacks"] = {key: state for key, state in saved["callbacks"].items() if "InitHealth" not in key}
    assert "state_dict" in saved
    return saved


@BY_NAME
def test_the_callback_leaves_no_trace(name: str) -> None:
    callback = InitHealth()
    watched = fitted(RUNS[name], [callback])
    assert callback.report is not None
    assert callback.report.measurements  # otherwise nothing could have left a trace
    assert watched == fitted(RUNS[name], [])


@BY_NAME
def test_a_check_before_the_fit_leaves_no_trace(name: str) -> None:
    checked = fitted(RUNS[name], [], before=lambda model, batch: inithealth.check(model, batch))
    assert checked == fitted(RUNS[name], [])


def looped(run: Run, watcher: Callable[[nn.Module, Optimizer], Any] | None) -> list[Any]:
    """Return all effects of a loop without Lightning."""
    seed()
    model = run.net()
    optimizer = run.optimizer(model.parameters())
    monitor = watcher(model, optimizer) if watcher is not None else None
    seen: list[Any] = []
    for inputs, targets in loader(run):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled="precision" in run.options):
            loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        if monitor is not None:
            monitor.step(loss)
        seen += [loss.detach().clone(), [p.grad.clone() for p in model.parameters() if p.grad is not None]]
        optimizer.step()
    return flat([seen, model.state_dict(), optimizer.state_dict(), drawn()])


@BY_NAME
def test_watch_leaves_no_trace(name: str) -> None:
    monitors: list[inithealth.Monitor] = []

    def watcher(model: nn.Module, optimizer: Optimizer) -> inithealth.Monitor:
        monitors.append(inithealth.watch(model, optimizer=optimizer).__enter__())
        return monitors[0]

    watched = looped(RUNS[name], watcher)
    monitors[0].close()
    assert len(monitors[0].recording.steps) == STEPS
    assert watched == looped(RUNS[name], None)


@pytest.mark.parametrize("name", ["perceptron, SGD", "LSTM", "transformer"])
def test_hooks_return_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that returns a value would replace the output or the gradient."""
    returned: list[Any] = []

    def telling(hook: Callable[..., Any]) -> Callable[..., Any]:
        def shown(*args: Any) -> Any:
            returned.append(hook(*args))
            return returned[-1]

        return shown

    on_module, on_tensor = nn.Module.register_forward_hook, Tensor.register_hook
    monkeypatch.setattr(
        nn.Module, "register_forward_hook", lambda self, hook, **kw: on_module(self, telling(hook), **kw)
    )
    monkeypatch.setattr(Tensor, "register_hook", lambda self, hook: on_tensor(self, telling(hook)))
    looped(RUNS[name], lambda model, optimizer: inithealth.watch(model, optimizer=optimizer).__enter__())
    assert len(returned) >= 2 * STEPS
    assert set(returned) == {None}
