"""``check``: every kind of batch, optimizer, wrapper and context comes to the same verdict on the same network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.optim import LBFGS, SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

import inithealth
from inithealth import Call, Finding, Report

INPUTS = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(32) % 4


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def cross_entropy(output: Tensor) -> Tensor:
    return F.cross_entropy(output, TARGETS)


def zero_head() -> nn.Sequential:
    """Legitimate: the head wakes with the first step, the body with the second."""
    net = perceptron()
    nn.init.zeros_(net[2].weight)
    return net


def never_waking() -> nn.Sequential:
    net = perceptron()
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    return net


def exploding() -> nn.Sequential:
    net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
    for layer in net:
        nn.init.normal_(layer.weight, std=3.0)
    return net


class Detaching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def detached() -> nn.Sequential:
    return nn.Sequential(*perceptron()[:2], Detaching(), perceptron()[2])


def blamed(report: Report) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(cause.code, cause.severity.value, cause.layers) for cause in report.causes]


class Reading(nn.Module):
    """Finds its input in the call's arguments with a function."""

    def __init__(self, read: Callable[..., Tensor]) -> None:
        super().__init__()
        self.net, self.read = perceptron(), read

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.net(self.read(*args, **kwargs))


class Pair(NamedTuple):
    image: Tensor
    label: Tensor


@dataclass(frozen=True)
class Sample:
    image: Tensor
    name: str


@pytest.mark.parametrize(
    ("batch", "read"),
    [
        (INPUTS, lambda x: x),
        ((INPUTS, 2.0), lambda x, scale: x * scale),
        ([INPUTS, TARGETS], lambda x, y: x),
        ({"x": INPUTS, "mask": None}, lambda x, mask: x),
        (OrderedDict(x=INPUTS), lambda x: x),
        (Call(INPUTS, scale=2.0), lambda x, scale: x * scale),
        (Call({"pixels": [INPUTS]}), lambda batch: batch["pixels"][0]),
        (Pair(INPUTS, TARGETS), lambda pair: pair.image),
        (Sample(INPUTS, "a"), lambda sample: sample.image),
        (pack_sequence([INPUTS[:5], INPUTS[5:8]]), lambda packed: PackedSequence(*packed).data),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_batch_reaches_the_model(batch: Any, read: Callable[..., Tensor]) -> None:
    report = inithealth.check(Reading(read), batch)
    assert [layer.name for layer in report.layers] == ["net.0", "net.2"]
    assert report.measurements[0].input is not None
    assert report.not_measured == ()


def test_a_packed_sequence_goes_through_a_recurrent_net() -> None:
    report = inithealth.check(nn.LSTM(8, 16), pack_sequence([INPUTS[:5], INPUTS[5:8]]))
    assert report.ok
    assert report.layers


@pytest.mark.parametrize("batch", [Pair(INPUTS * torch.nan, TARGETS), Sample(INPUTS * torch.nan, "a")])
def test_nan_is_found_in_a_field(batch: Any) -> None:
    with pytest.raises(ValueError, match=r"batch\.image has 256 NaN"):
        inithealth.check(Reading(lambda batch: batch.image), batch)


# --- the way the network is wrapped, and the context of the call ---


@pytest.mark.parametrize(
    ("build", "codes"),
    [(perceptron, []), (zero_head, []), (never_waking, ["IH103"]), (detached, ["IH304"]), (exploding, ["IH106"])],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize(
    "context",
    [lambda: torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad, torch.inference_mode],
    ids=["autocast", "no_grad", "inference_mode"],
)
def test_the_context_of_the_call_does_not_change_the_verdict(
    build: Callable[[], nn.Module], codes: list[str], context: Callable[[], AbstractContextManager[Any]]
) -> None:
    model = build()
    outside = inithealth.check(model, INPUTS, loss=cross_entropy)
    with context():
        inside = inithealth.check(model, INPUTS.clone(), loss=cross_entropy)
    assert blamed(inside) == blamed(outside)
    assert [code for code, _, _ in blamed(outside)] == codes
    assert inside.not_measured == ()


@pytest.mark.parametrize("build", [perceptron, never_waking])
@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda net: torch.compile(net, backend="eager"),
        lambda net: nn.DataParallel(torch.compile(net, backend="eager")),
    ],
    ids=["data parallel", "compiled", "both"],
)
def test_a_wrapper_does_not_show(build: Callable[[], nn.Module], wrap: Callable[[nn.Module], nn.Module]) -> None:
    bare = inithealth.check(build(), INPUTS, loss=cross_entropy)
    wrapped = inithealth.check(wrap(build()), INPUTS, loss=cross_entropy)
    assert wrapped.model == bare.model == "Sequential"
    assert wrapped.findings == bare.findings
    assert wrapped.measurements == bare.measurements


def test_a_compiled_part_runs_eagerly_and_keeps_its_name() -> None:
    net = perceptron()
    net[0].compile(backend="eager")
    net[2] = torch.compile(net[2], backend="eager")
    report = inithealth.check(net, INPUTS)
    assert [layer.name for layer in report.layers] == ["0", "2"]
    assert report.measurements == inithealth.check(perceptron(), INPUTS).measurements


def test_the_same_network_gets_the_same_report_whatever_the_random_state() -> None:
    net = nn.Sequential(perceptron(), nn.Dropout(0.9), nn.Linear(4, 4))
    first = inithealth.check(net, INPUTS)
    torch.manual_seed(1)
    assert inithealth.check(net.eval(), INPUTS) == first


def test_where_frozen_parts_take_no_gradient_the_rest_is_judged_and_that_is_told() -> None:
    class Averaging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.average = perceptron(), nn.Parameter(torch.ones(4), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            y = self.net(x)
            self.average.mul_(0.9).add_(0.1 * y.detach().mean(0))  # fails where the parameter requires grad
            return y - self.average.detach()

    report = inithealth.check(Averaging(), INPUTS)
    assert [layer.name for layer in report.layers if layer.reaches_loss] == ["net.0", "net.2"]
    assert report.ok
    [missing] = report.not_measured
    assert missing.startswith("inputs and frozen layers: with gradients asked of them the model raised RuntimeError")


# --- the optimizer, and what settles the suspects ---


@pytest.mark.parametrize(
    ("optimizer", "note"),
    [
        (lambda p: None, "optimizer: SGD(lr=0.01) (none given)"),
        (lambda p: Adam(p, lr=0.002), "optimizer: Adam(lr=0.002)"),
        (lambda p: [Adam(p[:2]), SGD(p[2:], lr=0.1)], "optimizer: Adam(lr=0.001), SGD(lr=0.1)"),
        (lambda p: LBFGS(p, lr=0.1, max_iter=2), "optimizer: LBFGS(lr=0.1)"),
    ],
    ids=["none", "one", "two", "with a closure"],
)
def test_suspects_are_settled_with_the_users_optimizer(
    optimizer: Callable[[list[nn.Parameter]], Any], note: str
) -> None:
    def report(net: nn.Sequential) -> Report:
        return inithealth.check(net, INPUTS, loss=cross_entropy, optimizer=optimizer(list(net.parameters())))

    assert blamed(report(zero_head())) == []
    assert report(zero_head()).notes == ("loss: as given", note)
    assert blamed(report(never_waking())) == [("IH103", "error", ("0",))]


def test_a_warm_up_that_starts_at_zero_still_wakes_a_zero_head() -> None:
    net = zero_head()
    optimizer = Adam(net.parameters(), lr=1e-3)
    LambdaLR(optimizer, lambda step: step / 100)
    assert optimizer.param_groups[0]["lr"] == 0.0
    assert blamed(inithealth.check(net, INPUTS, loss=cross_entropy, optimizer=optimizer)) == []
    assert optimizer.param_groups[0]["lr"] == 0.0


def state(optimizer: Optimizer) -> Any:
    return [
        [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups],
        [{key: torch.as_tensor(v).clone() for key, v in s.items()} for s in optimizer.state.values()],
    ]


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "in use"])
def test_the_optimizer_is_left_as_it_was(used: bool) -> None:
    net = never_waking()
    optimizer = Adam(net.parameters(), lr=0.1)
    if used:
        cross_entropy(net(INPUTS)).backward()
        optimizer.step()
        nn.init.zeros_(net[0].weight)
    before = state(optimizer)
    inithealth.check(net, INPUTS, loss=cross_entropy, optimizer=optimizer)
    groups, states = state(optimizer)
    assert groups == before[0]
    assert len(states) == len(before[1]) == (4 if used else 0)
    assert all(torch.equal(new[key], old[key]) for new, old in zip(states, before[1], strict=True) for key in old)


# --- settings ---


def test_settings_choose_what_is_judged_and_what_fails() -> None:
    net = never_waking()

    def causes(**settings: Any) -> tuple[Finding, ...]:
        return inithealth.check(net, INPUTS, loss=cross_entropy, settings=settings).causes

    assert {cause.code for cause in causes()} == {"IH103"}
    assert causes(select="IH2")[0].code == "IH204"
    assert causes(select="IH4") == ()
    assert not inithealth.check(net, INPUTS, settings=inithealth.Settings()).ok
    assert inithealth.check(net, INPUTS, settings={"fail_on": "never"}).ok
