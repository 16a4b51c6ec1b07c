"""``check``: every kind of batch, optimizer, wrapper and context gives the same verdict on the same network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import inithealth
from inithealth import Call, Finding
from tests.sessions.nets import INPUTS, TARGETS, alarm_summary, cross_entropy, never_receiving, perceptron, zero_head


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


class Reading(nn.Module):
    """Gets its input from the call's arguments by a function."""

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
def test_every_kind_of_batch_is_passed_to_the_model(batch: Any, read: Callable[..., Tensor]) -> None:
    report = inithealth.check(Reading(read), batch)
    assert [layer.name for layer in report.layers] == ["net.0", "net.2"]
    assert report.measurements[0].input is not None
    assert report.not_measured == ()


def test_a_packed_sequence_is_passed_to_a_recurrent_network() -> None:
    report = inithealth.check(nn.LSTM(8, 16), pack_sequence([INPUTS[:5], INPUTS[5:8]]))
    assert report.ok
    assert report.layers


@pytest.mark.parametrize("batch", [Pair(INPUTS * torch.nan, TARGETS), Sample(INPUTS * torch.nan, "a")])
def test_nan_is_found_in_a_field(batch: Any) -> None:
    with pytest.raises(ValueError, match=r"batch\.image has 256 NaN"):
        inithealth.check(Reading(lambda batch: batch.image), batch)


# --- wrappers of the network, and the context of the call ---


@pytest.mark.parametrize(
    ("build", "codes"),
    [(perceptron, []), (zero_head, []), (never_receiving, ["IH103"]), (detached, ["IH304"]), (exploding, ["IH106"])],
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
    assert alarm_summary(inside) == alarm_summary(outside)
    assert [code for code, _, _ in alarm_summary(outside)] == codes
    assert inside.not_measured == ()


@pytest.mark.parametrize("build", [perceptron, never_receiving])
@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda net: torch.compile(net, backend="eager"),
        lambda net: nn.DataParallel(torch.compile(net, backend="eager")),
    ],
    ids=["data parallel", "compiled", "both"],
)
def test_a_wrapper_does_not_change_the_report(
    build: Callable[[], nn.Module], wrap: Callable[[nn.Module], nn.Module]
) -> None:
    bare = inithealth.check(build(), INPUTS, loss=cross_entropy)
    wrapped = inithealth.check(wrap(build()), INPUTS, loss=cross_entropy)
    assert wrapped.model == bare.model == "Sequential"
    assert wrapped.findings == bare.findings
    assert wrapped.measurements == bare.measurements


def test_a_compiled_submodule_runs_eagerly_and_keeps_its_name() -> None:
    net = perceptron()
    net[0].compile(backend="eager")
    net[2] = torch.compile(net[2], backend="eager")
    report = inithealth.check(net, INPUTS)
    assert [layer.name for layer in report.layers] == ["0", "2"]
    assert report.measurements == inithealth.check(perceptron(), INPUTS).measurements


def test_the_same_network_gets_the_same_report_for_any_random_state() -> None:
    net = nn.Sequential(perceptron(), nn.Dropout(0.9), nn.Linear(4, 4))
    first = inithealth.check(net, INPUTS)
    torch.manual_seed(1)
    assert inithealth.check(net.eval(), INPUTS) == first


# --- settings ---


def test_settings_select_the_rules_and_what_fails() -> None:
    net = never_receiving()

    def causes(**settings: Any) -> tuple[Finding, ...]:
        return inithealth.check(net, INPUTS, loss=cross_entropy, settings=settings).causes

    assert {cause.code for cause in causes()} == {"IH103"}
    assert causes(select="IH2")[0].code == "IH204"
    assert causes(select="IH4") == ()
    assert not inithealth.check(net, INPUTS, settings=inithealth.Settings()).ok
    assert inithealth.check(net, INPUTS, settings={"fail_on": "never"}).ok
