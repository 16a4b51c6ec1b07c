"""A fix that is reported as verified runs as printed, clears its finding and adds no error; no check leaves a trace."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import inithealth
from inithealth import Finding, Report, Severity
from tests.zoo import batches
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY

FACTORS = {"x100": 100.0, "1/100": 0.01, "zero": 0.0, "nan": float("nan")}
Change = Callable[[nn.Module], nn.Module]


def stack() -> nn.Sequential:
    torch.manual_seed(3)
    layers = [nn.Linear(batches.FEATURES, 48), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Linear(48, 48), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(48, batches.CLASSES))
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model


def weight_norm(model: nn.Module) -> nn.Module:
    return nn.utils.parametrizations.weight_norm(model)


def orthogonal(model: nn.Module) -> nn.Module:
    return nn.utils.parametrizations.orthogonal(model, use_trivialization=True)


class Doubled(nn.Module):
    """A parametrization that can be assigned."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x

    def right_inverse(self, x: Tensor) -> Tensor:
        return x / 2


def doubled(model: nn.Module) -> nn.Module:
    return nn.utils.parametrize.register_parametrization(model, "weight", Doubled())


def frozen(model: nn.Module) -> nn.Module:
    return model.requires_grad_(False)


def classified(model: nn.Module, name: str) -> Case:
    x, y = batches.vectors()
    return Case(name, model, x, lambda logits: F.cross_entropy(logits, y))


def of_stack(way: Change, faulty: int, changed: int, factor: float) -> Case:
    """Return a network with a faulty layer, and a layer that is changed in some way, which may be the same."""
    model = stack()
    with torch.no_grad():
        model[faulty].weight.mul_(factor)
    model[changed] = way(model[changed])
    return classified(model, "stack")


class Tied(nn.Module):
    """A model of tokens; the head has the weights of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.head = nn.Embedding(batches.VOCABULARY, 32), nn.Linear(32, batches.VOCABULARY, bias=False)
        self.body, self.norm = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)), nn.LayerNorm(32)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.tokens(x)
        return self.head(self.norm(hidden + self.body(hidden)))


def tied(layer: str, factor: float) -> Case:
    torch.manual_seed(3)
    model = Tied()
    with torch.no_grad():
        model.get_submodule(layer).weight.mul_(factor)
    x, y = batches.tokens()
    return Case("tied", model, x, lambda logits: F.cross_entropy(logits.flatten(0, 1), y.flatten()))


def old_weight_norm(layer: nn.Module) -> nn.Module:
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(layer)


WAYS: tuple[Change, ...] = (weight_norm, old_weight_norm, orthogonal, doubled, frozen)
CASES: dict[str, Callable[[], Case]] = {build.__name__: build for build in FAULTY}
for way in WAYS:
    CASES[f"x100 beside {way.__name__}"] = partial(of_stack, way, 4, 6, 100.0)
    for text, factor in FACTORS.items():
        CASES[f"{text} in {way.__name__}"] = partial(of_stack, way, 4, 4, factor)
for text, factor in FACTORS.items():
    for layer in ("tokens", "norm"):
        CASES[f"{text} tied {layer}"] = partial(tied, layer, factor)


def check(case: Case, model: nn.Module, *, verify: bool = False) -> Report:
    return inithealth.check(model, case.batch, loss=case.loss, verify=verify)


def typed(fix: str, model: nn.Module) -> None:
    """Run a fix as a user types it."""
    torch.manual_seed(11)
    exec(fix, {"model": model, "nn": nn, "torch": torch})


def places(findings: Any, least: Severity) -> set[tuple[str, str]]:
    return {(each.code, layer) for each in findings if each.severity >= least for layer in each.layers or ("",)}


def unexplained_errors(cause: Finding, before: Report, after: Report) -> list[Finding]:
    """Return the errors after the fix of a cause that are not of the other causes: new ones, and its consequences."""
    others = [each for each in before.findings if each is not cause and each.explained_by != cause.key]
    errors = [each for each in after.causes if each.severity is Severity.ERROR]
    return [each for each in errors if not places(others, Severity.INFO) & places([each], Severity.INFO)]


class Trace:
    """All that a check could change: values, memory, gradients and options of the model, and random numbers."""

    def __init__(self, model: nn.Module) -> None:
        self.tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        self.values = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        self.others = self._others(model)

    def _others(self, model: nn.Module) -> list[Any]:
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        options = [
            (name, id(each), each.data_ptr(), each.requires_grad, id(each.grad)) for name, each in tensors.items()
        ]
        hooks = [(len(each._forward_hooks), len(each._forward_pre_hooks)) for each in model.modules()]
        modes = [each.training for each in model.modules()]
        state: Any = np.random.get_state()
        return [options, hooks, modes, torch.get_rng_state().tolist(), random.getstate(), state[1].tolist()]

    def assert_none(self, model: nn.Module) -> None:
        assert self._others(model) == self.others
        for name, tensor in self.tensors.items():
            bits, expected = tensor.detach().contiguous(), self.values[name].contiguous()
            assert torch.equal(bits.view(torch.uint8), expected.view(torch.uint8)), name


@pytest.mark.parametrize("name", CASES)
def test_a_verified_fix_clears_its_finding_and_adds_no_error(name: str) -> None:
    case = CASES[name]()
    trace = Trace(case.model)
    report = check(case, case.model, verify=True)
    trace.assert_none(case.model)
    for cause in report.causes:
        if cause.verified != "clears":
            continue
        fixed = CASES[name]().model  # a new one: torch cannot copy the old weight_norm
        typed(cause.fix, fixed)
        after = check(case, fixed)
        assert not places([cause], Severity.INFO) & places(after.findings, Severity.WARNING), after.findings
        assert unexplained_errors(cause, report, after) == []
    assert report.ok or any(cause.verification for cause in report.causes)


@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()], ids=type)
def test_a_fix_that_raises_between_two_operations_leaves_no_trace(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, drawn, calls = CASES["all_zero"](), nn.init.kaiming_normal_, []

    def interrupted(tensor: Tensor, **options: Any) -> Tensor:
        calls.append(tensor)
        if len(calls) >= 3:
            tensor.data.view(-1)[:5] = 7.0
            raise error
        return drawn(tensor, **options)

    monkeypatch.setattr(nn.init, "kaiming_normal_", interrupted)
    trace = Trace(case.model)
    if isinstance(error, Exception):
        (cause,) = check(case, case.model, verify=True).causes
        assert "RuntimeError: no memory" in cause.verification
    else:
        with pytest.raises(KeyboardInterrupt):
            check(case, case.model, verify=True)
    assert len(calls) >= 3
    trace.assert_none(case.model)
