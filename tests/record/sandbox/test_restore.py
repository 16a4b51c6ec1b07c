"""After a check everything is restored bit for bit, also after an error."""

from __future__ import annotations

import gc
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

import inithealth
from inithealth.record.sandbox.random_state import random_state
from inithealth.record.sandbox.restore import optimizer_undisturbed, undisturbed
from tests.record import state

BATCH = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


class Busy(nn.Module):
    """Changes everything that a forward pass can change."""

    def __init__(self) -> None:
        super().__init__()
        self.first = parametrizations.spectral_norm(nn.Linear(4, 8))
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.frozen.eval()
        self.gate = nn.Parameter(torch.zeros(8))  # without gradient at first: the check takes optimizer steps
        self.last = nn.Linear(8, 3)
        self.register_buffer("seen", torch.zeros(3, dtype=torch.int64))
        self.register_buffer("broken", torch.tensor([float("nan"), 1.0]))
        self.calls = 0
        self.cached: Tensor | None = None
        self.losses: list[Tensor] = []
        self.named: dict[str, Tensor] = {}
        self.shapes: set[torch.Size] = set()
        self.total = torch.zeros(3)  # not a buffer
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.drop(self.norm(self.first(x))).relu()
        hidden = hidden + self.gate * self.frozen(hidden)
        output: Tensor = self.last(hidden)
        self.calls += 1
        self.cached = output
        self.losses.append(output.sum())
        self.named["last"] = output
        self.shapes.add(x.shape)
        self.total += output.detach().sum(0)
        self.seen += 1
        self.broken.mul_(2)
        self.late = nn.Linear(2, 2)
        self.late_buffer = torch.rand(2, generator=self.generator)
        random.random()
        np.random.rand()
        self.last.register_forward_hook(lambda *_: None)
        return output + torch.rand(())


def busy() -> Busy:
    model = Busy()
    model.last.register_forward_hook(lambda module, args, output: None)
    model.last.register_forward_pre_hook(lambda module, args, kwargs: None, with_kwargs=True)
    model.norm.register_full_backward_hook(lambda module, inputs, outputs: None)
    model.gate.register_hook(lambda gradient: None)
    for parameter in model.last.parameters():
        parameter.grad = torch.rand_like(parameter)
    return model


@contextmanager
def left_as_found(model: nn.Module, *optimizers: Optimizer) -> Iterator[None]:
    before = state.of_process(), state.of_model(model), [state.of_optimizer(optimizer) for optimizer in optimizers]
    collecting = gc.isenabled()
    yield
    after = state.of_process(), state.of_model(model), [state.of_optimizer(optimizer) for optimizer in optimizers]
    assert collecting == gc.isenabled()
    for found, kept in ((after[0], before[0]), (after[1], before[1]), *zip(after[2], before[2], strict=True)):
        assert found.keys() == kept.keys()
        assert [key for key in kept if found[key] != kept[key]] == []


def test_the_comparison_of_these_tests_detects_every_change() -> None:
    """A plain forward pass changes all of this; otherwise the tests below could not fail."""
    model = busy()
    before = {**state.of_process(), **state.of_model(model)}
    model(BATCH).sum().backward()
    after = {**state.of_process(), **state.of_model(model)}
    changed = {key for key in before if after[key] != before[key]}
    own = " calls, cached, losses, named, shapes, total, generator, _buffers, _modules, attributes".split(",")
    assert {f" {key.strip()}" for key in own} <= changed
    assert {"torch", "python", "numpy", "last _forward_hooks", "last.weight grad", "norm _buffers"} <= changed
    assert "first.parametrizations.weight.0 _buffers" in changed


@pytest.mark.parametrize("optimizer", [None, SGD, Adam, LBFGS], ids=lambda kind: getattr(kind, "__name__", "none"))
@pytest.mark.parametrize("training", [True, False])
def test_a_check_restores_everything(optimizer: type[Optimizer] | None, training: bool) -> None:
    model = busy().train(training)
    model.norm.train(not training)
    mine = optimizer([p for p in model.parameters() if p.requires_grad], lr=0.1) if optimizer else None
    with left_as_found(model, *([mine] if mine else [])):
        report = inithealth.check(model, BATCH, optimizer=mine)
    assert report.measurements


def stepped(kind: Callable[[list[nn.Parameter]], Optimizer], model: nn.Module) -> Optimizer:
    """Return an optimizer that has taken steps."""
    optimizer = kind([p for p in model.parameters() if p.requires_grad])
    for _ in range(3):

        def closure() -> float:
            optimizer.zero_grad()
            loss = model(BATCH).square().mean()
            loss.backward()
            return float(loss.detach())

        optimizer.step(closure)
    return optimizer


OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], Optimizer]] = {
    "sgd": lambda parameters: SGD(parameters, lr=0.01, momentum=0.9, nesterov=True),
    "adamw": lambda parameters: AdamW(parameters, lr=0.01, amsgrad=True),
    "tensor lr": lambda parameters: Adam(parameters, lr=torch.tensor(0.01), foreach=False),
    "adagrad": lambda parameters: Adagrad(parameters, lr=0.01),
    "rmsprop": lambda parameters: RMSprop(parameters, lr=0.01, momentum=0.9),
    "lbfgs": lambda parameters: LBFGS(parameters, lr=0.1, max_iter=3),
    "two groups": lambda parameters: SGD([{"params": parameters[:1], "lr": 0.0}, {"params": parameters[1:]}], lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_with_state_is_restored(name: str) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    optimizer = stepped(OPTIMIZERS[name], model)
    nn.init.zeros_(model[2].weight)  # a reason to run optimizer steps
    with left_as_found(model, optimizer):
        report = inithealth.check(model, BATCH, optimizer=optimizer)
    assert report.measurements


def test_a_schedulers_step_count_is_not_changed() -> None:
    """A scheduler warns if it steps before the optimizer: the check's steps must not count."""
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    nn.init.zeros_(model[2].weight)
    optimizer = SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    inithealth.check(model, BATCH, optimizer=optimizer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scheduler.step()
    assert any("before `optimizer.step()`" in str(warning.message) for warning in caught)


def test_changes_by_an_optimizer_are_undone() -> None:
    model = nn.Linear(4, 2)
    optimizer = Adam(model.parameters(), lr=0.1)
    with left_as_found(model, optimizer), undisturbed(model), optimizer_undisturbed(optimizer):
        model(BATCH).sum().backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 3.0
        optimizer.param_groups[0]["mine"] = 1
        optimizer.late = 1  # type: ignore[attr-defined]


class Failing(Busy):
    """Fails at the end of a forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        super().forward(x)
        raise KeyError("mine")


class FailingBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise KeyError("mine")


def raising(output: Tensor) -> Tensor:
    raise KeyError("mine")


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        (Failing, None),
        (Busy, raising),
        (Busy, lambda output: FailingBackward.apply(output).sum()),
    ],
    ids=["forward", "loss", "backward"],
)
def test_an_error_is_raised_unchanged_and_everything_is_restored(kind: type[Busy], loss: Any) -> None:
    model = kind()
    model.last.weight.grad = torch.ones_like(model.last.weight)
    with left_as_found(model), pytest.raises(KeyError, match="mine"):
        inithealth.check(model, BATCH, loss=loss)


def test_an_interrupt_restores_everything() -> None:
    model = busy()

    def interrupted(output: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with left_as_found(model), pytest.raises(KeyboardInterrupt):
        inithealth.check(model, BATCH, loss=interrupted)


def test_a_graph_of_the_caller_can_still_run_backward() -> None:
    """Also if the check took optimizer steps and ran the norm again."""

    def gradients(check: bool) -> list[Tensor]:
        torch.manual_seed(0)
        front = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU()
        model = nn.Sequential(*front, nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
        nn.init.zeros_(model[5].weight)
        nn.init.constant_(model[3].weight, 0.1)
        loss = model(BATCH).square().mean() + model[5].weight.square().sum()
        if check:
            assert inithealth.check(model, BATCH).measurements
        loss.backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    plain, checked = gradients(check=False), gradients(check=True)
    assert len(plain) == 8
    assert all(torch.equal(one, other) for one, other in zip(plain, checked, strict=True))


def test_a_real_change_of_a_weight_is_still_detected_by_the_callers_graph() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    loss = model(BATCH).square().mean()
    with torch.no_grad():
        model[2].weight.mul_(2)
    inithealth.check(model, BATCH)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


BUFFERS: dict[str, Callable[[], Tensor]] = {
    "coo": lambda: torch.eye(4).to_sparse(),
    "csr": lambda: torch.eye(4).to_sparse_csr(),
    "mkldnn": lambda: torch.randn(3, 3).to_mkldnn(),
    "nested": lambda: torch.nested.nested_tensor([torch.randn(3, 2), torch.randn(1, 2)], layout=torch.jagged),
    "fp8": lambda: torch.randn(4).to(torch.float8_e4m3fn),
    "complex": lambda: torch.randn(4, dtype=torch.complex64),
    "bool": lambda: torch.tensor([True, False]),
    "expanded": lambda: torch.ones(1).expand(4),
    "empty": lambda: torch.empty(0),
    "meta": lambda: torch.empty(3, device="meta"),
    "lazy": lambda: nn.parameter.UninitializedBuffer(),
}


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta state:UserWarning")
def test_unusual_buffers_are_supported(name: str) -> None:
    buffer, model = BUFFERS[name](), nn.Sequential(nn.Linear(4, 2))
    model.register_buffer("odd", buffer)
    report = inithealth.check(model, BATCH)
    assert [measurement.layer for measurement in report.measurements] == ["0"]
    assert model.odd is buffer


@pytest.mark.parametrize("name", ["coo", "csr", "mkldnn", "nested", "complex"])
@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta state:UserWarning")
def test_unusual_buffers_changed_in_place_are_restored(name: str) -> None:
    model, buffer = nn.Linear(2, 2), BUFFERS[name]()
    model.register_buffer("odd", buffer)
    before = state.bits(buffer)
    with undisturbed(model):
        buffer.mul_(0)
        assert state.bits(buffer) != before
    assert state.bits(buffer) == before
    assert model.odd is buffer


def test_replaced_swapped_and_frozen_parameters_are_restored() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].bias.requires_grad_(False)
    with left_as_found(model), undisturbed(model):
        assert all(parameter.grad is None for parameter in model.parameters())
        model[0].weight.data = torch.zeros(4, 4)
        model[1].weight = nn.Parameter(torch.zeros(2, 4))
        del model[1].bias
        model[1].register_parameter("late", nn.Parameter(torch.ones(1)))
        model.requires_grad_(True)
        model.append(nn.ReLU())
        model.eval()


def test_a_nan_keeps_its_bits() -> None:
    model = nn.Linear(2, 1)
    payload = torch.tensor([[0x7FC12345, 0x3F800000]], dtype=torch.int32).view(torch.float32)
    model.weight.data = payload.clone()
    with undisturbed(model), torch.no_grad():
        model.weight.zero_()
    assert torch.equal(model.weight.detach().view(torch.int32), payload.view(torch.int32))


def test_added_hooks_are_removed_and_old_handles_still_work() -> None:
    model = nn.Linear(4, 2)
    fired: list[str] = []
    handle = model.register_forward_hook(lambda *_: fired.append("mine"))
    with undisturbed(model):
        model.register_forward_hook(lambda *_: fired.append("late"))
        model.register_forward_hook(lambda *_, **__: fired.append("late"), with_kwargs=True, always_call=True)
        handle.remove()
    model(BATCH)
    assert fired == ["mine"]
    handle.remove()
    model(BATCH)
    assert fired == ["mine"]
    assert not model._forward_hooks_with_kwargs
    assert not model._forward_hooks_always_called


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_scripted_modules_mode_is_restored() -> None:
    model = nn.Sequential(nn.Linear(4, 4), torch.jit.script(nn.BatchNorm1d(4)))
    model.eval()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    inithealth.check(model, BATCH)
    assert not model.training
    assert not model[1].training
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_random_state_includes_every_library() -> None:
    restore = random_state()
    first = torch.rand(3).tolist(), random.random(), np.random.rand()
    restore()
    assert (torch.rand(3).tolist(), random.random(), np.random.rand()) == first


def test_nothing_of_the_graph_stays_alive() -> None:
    """References that a forward pass keeps to its graph (a cached output) are removed."""
    import weakref

    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            self.output = self.layer(x)
            alive.append(weakref.ref(self.output))
            return self.output

    alive: list[weakref.ref[Tensor]] = []
    model = Caching()
    inithealth.check(model, BATCH)
    gc.collect()
    assert alive
    assert all(reference() is None for reference in alive)
