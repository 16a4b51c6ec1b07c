"""IH407: updates and gradients rounded to zero in half precision, and steps skipped by the loss scaler."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.optim import SGD

from inithealth import Severity
from inithealth.recording import Recording, Step
from inithealth.rules.steps.precision_loss import PrecisionLoss
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, measured, recording, signal, stack
from tests.rules.runs import several, trained, update


def test_bfloat16_weights_that_small_steps_do_not_change_are_found() -> None:
    report = trained(mlp().to(torch.bfloat16), optimizer=partial(SGD, lr=1e-4))
    found = finding(report, "IH407")
    assert found.severity == Severity.WARNING
    assert "of the weights unchanged (limit 50%)" in found.message


def test_float32_weights_change_with_the_same_steps() -> None:
    assert "IH407" not in codes(trained(mlp(), optimizer=partial(SGD, lr=1e-4)))


def half(unmoved: float, **more: Any) -> Recording:
    layers = stack(fc1={"weight": {"half_precision": True}})
    return several(layers=layers, updates={"fc1": update(unmoved=unmoved, **more)})


@pytest.mark.parametrize(("unmoved", "found"), [(0.9, 1), (0.4, 0)])
def test_levels(unmoved: float, found: int) -> None:
    assert len(judge(PrecisionLoss, half(unmoved))) == found
    assert judge(PrecisionLoss, several(updates={"fc1": update(unmoved=unmoved)})) == []
    assert judge(PrecisionLoss, half(unmoved, rate=0.0)) == []


def skipped(steps: int) -> Recording:
    layers = stack()
    return recording(layers, steps=(Step(index=3, loss=2.0, layers=measured(layers), overflows=steps),))


def test_one_found_inf_while_the_scaler_warms_up_is_normal() -> None:
    assert judge(PrecisionLoss, skipped(1)) == []
    (found,) = judge(PrecisionLoss, skipped(6))
    assert "6 consecutive steps before step 3" in found.message
    assert (found.measured, found.limit) == (6.0, 4.0)


def flushed(rms: float, *, layers: int = 5, loss_scale: float = 1.0, **more: Any) -> Recording:
    """Return float16 gradients of that rms at this many of five layers."""
    every = stack()
    tiny = {"gradient": signal(rms, float16=True, **more).model_dump()}
    fine = {"gradient": signal(1e-3, float16=True).model_dump()}
    found = measured(every, **{each.name: tiny if at < layers else fine for at, each in enumerate(every)})
    steps = tuple(Step(index=index, loss=2.0, layers=found, loss_scale=loss_scale) for index in range(3))
    return recording(every, steps=steps)


def test_gradients_that_float16_rounds_to_zero() -> None:
    (found,) = judge(PrecisionLoss, flushed(3e-8))
    assert "68% or more of the gradient is rounded to zero" in found.message
    assert "(limit 10%, loss scale 1)" in found.message
    assert "16-mixed" in (found.fix or "")
    (found,) = judge(PrecisionLoss, flushed(3e-8 / 1024, loss_scale=1024.0))
    assert "init_scale" in (found.fix or "")
    (found,) = judge(PrecisionLoss, flushed(0.0, zero_share=1.0))
    assert found.measured == 1.0


def test_gradients_that_float16_represents() -> None:
    assert judge(PrecisionLoss, flushed(1e-5)) == []
    assert judge(PrecisionLoss, flushed(3e-8, loss_scale=2.0**16)) == []
    assert judge(PrecisionLoss, flushed(3e-8, layers=2)) == []  # a branch may have almost none, intentionally
    assert judge(PrecisionLoss, flushed(1e-7, zero_share=0.9)) == []  # a ReLU's zeros are not due to float16


def large(top: float, **more: Any) -> Recording:
    layers = stack()
    found = measured(layers, fc1={"output": signal(9.0, abs_max=top, **more).model_dump()})
    return recording(layers, steps=tuple(Step(index=index, loss=2.0, layers=found) for index in range(2)))


def test_outputs_close_to_an_overflow() -> None:
    (found,) = judge(PrecisionLoss, large(5e4, float16=True))
    assert found.layers == ("fc1",)
    assert (found.measured, found.limit) == (5e4, 32752.0)
    assert judge(PrecisionLoss, large(5e4)) == []
    assert judge(PrecisionLoss, large(1e4, float16=True)) == []


class Half(nn.Module):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.net, self.weight = mlp(), weight

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.float16):
            return self.net(x) * self.weight


@pytest.mark.parametrize(("weight", "found"), [(1e-6, True), (1.0, False)])
def test_a_float16_run_without_a_scaler(weight: float, found: bool) -> None:
    assert ("IH407" in codes(trained(Half(weight)))) is found


def test_options_change_the_limits() -> None:
    assert judge(PrecisionLoss, half(0.9), max_unmoved=0.95) == []
    assert judge(PrecisionLoss, skipped(6), max_overflows=10) == []
    assert judge(PrecisionLoss, half(0.9), min_steps=50) == []
    assert judge(PrecisionLoss, flushed(3e-8), max_flushed=0.7) == []
    assert len(judge(PrecisionLoss, flushed(3e-8, layers=2), max_flushed_layers=0.1)) == 1
    assert judge(PrecisionLoss, large(5e4, float16=True), max_output=0.9) == []


def test_values_at_the_limits_are_healthy() -> None:
    assert judge(PrecisionLoss, half(0.5)) == []
    assert len(judge(PrecisionLoss, half(0.51))) == 1
    assert judge(PrecisionLoss, skipped(4)) == []
    assert len(judge(PrecisionLoss, skipped(5))) == 1
    assert judge(PrecisionLoss, large(32_752.0, float16=True)) == []
    assert len(judge(PrecisionLoss, large(32_753.0, float16=True))) == 1
    assert judge(PrecisionLoss, flushed(3e-8, layers=2), max_flushed_layers=0.4) == []
    assert judge(PrecisionLoss, flushed(3e-8, layers=3)) != []


def steps_of(*layers_by_step: dict[str, Any], **more: Any) -> Recording:
    """Return steps with these measurements, ten apart."""
    every = stack()
    steps = [
        Step(index=10 * number, loss=2.0, layers=measured(every, **each), **more)
        for number, each in enumerate(layers_by_step)
    ]
    return recording(every, steps=tuple(steps))


def output(top: float) -> dict[str, Any]:
    return {"output": signal(9.0, abs_max=top, float16=True).model_dump()}


@pytest.mark.parametrize("min_steps", [2, 3])
def test_the_largest_output_of_the_last_step_is_first(min_steps: int) -> None:
    early = {"fc0": output(6e4), "fc1": output(4e4), "fc2": output(6.1e4), "fc3": output(1e4)}
    last = {"fc0": output(3.5e4), "fc1": output(5e4), "fc2": output(1e4), "fc3": output(6e4)}
    (found,) = judge(PrecisionLoss, steps_of(early, early, last), min_steps=min_steps)
    assert found.layers == ("fc1", "fc0")
    assert (found.measured, found.limit, found.step) == (5e4, 32752.0, 20)


def test_the_number_of_steps_for_outputs_is_an_option() -> None:
    close = {"fc1": output(5e4)}
    assert judge(PrecisionLoss, steps_of(close, {}, close)) == []
    assert judge(PrecisionLoss, steps_of(close)) == []
    assert len(judge(PrecisionLoss, steps_of({}, close, close))) == 1
    assert len(judge(PrecisionLoss, steps_of(close), min_steps=1)) == 1


def gradient(rms: float) -> dict[str, Any]:
    return {"gradient": signal(rms, float16=True).model_dump()}


@pytest.mark.parametrize("min_steps", [2, 3])
def test_the_smallest_share_of_the_last_step_is_measured(min_steps: int) -> None:
    """Half of a normal distribution is within 0.674 standard deviations of zero."""
    half_flushed, most_flushed = gradient(2.0**-25 / 0.6745), gradient(2.0**-25 / 1.6449)
    early = dict.fromkeys(("fc0", "fc1", "fc2", "fc3"), most_flushed)
    last = {"fc0": most_flushed, "fc1": half_flushed, "fc2": most_flushed, "fc3": gradient(1e-3)}
    (found,) = judge(PrecisionLoss, steps_of(early, early, last), min_steps=min_steps)
    assert found.layers == ("fc0", "fc1", "fc2")
    assert (found.measured, found.limit, found.step) == (pytest.approx(0.5, abs=1e-3), 0.1, 20)


def test_the_number_of_steps_for_gradients_is_an_option() -> None:
    assert len(judge(PrecisionLoss, flushed(3e-8), min_steps=3)) == 1
    assert judge(PrecisionLoss, flushed(3e-8), min_steps=4) == []


def updated(*unmoved: dict[str, float], gradient: float | None = 1.0, kind: str = "linear") -> Recording:
    """Return steps, ten apart, that leave these shares of half-precision weights unchanged."""
    layers = stack(**{f"fc{at}": {"kind": kind, "weight": {"half_precision": True}} for at in range(4)})
    pushed = measured(layers, **{f"fc{at}": {"weight_gradient": gradient} for at in range(4)})
    steps = [
        Step(index=10 * at, layers=pushed, updates={name: update(unmoved=share) for name, share in each.items()})
        for at, each in enumerate(unmoved)
    ]
    return recording(layers, steps=tuple(steps))


@pytest.mark.parametrize("min_steps", [2, 3])
def test_the_smallest_unchanged_share_of_the_last_step_is_measured(min_steps: int) -> None:
    early = {"fc0": 0.95, "fc1": 0.7, "fc2": 0.55, "fc3": 0.9}
    last = {"fc0": 0.9, "fc1": 0.6, "fc2": 0.8, "fc3": 0.3}
    (found,) = judge(PrecisionLoss, updated(early, early, last), min_steps=min_steps)
    assert (found.layers, found.measured, found.limit) == (("fc0", "fc1", "fc2"), 0.6, 0.5)
    assert found.step == 20


@pytest.mark.parametrize(("gradient", "found"), [(0.0, 0), (None, 0), (1e-9, 1)])
def test_weights_without_a_gradient_are_expected_to_stay_unchanged(gradient: float | None, found: int) -> None:
    stays = {"fc1": 0.9}
    assert len(judge(PrecisionLoss, updated(stays, stays, gradient=gradient))) == found


@pytest.mark.parametrize("kind", ["norm", "embedding", "scale"])
def test_vectors_and_rarely_used_rows_may_stay_unchanged(kind: str) -> None:
    stays = {"fc1": 0.9}
    assert judge(PrecisionLoss, updated(stays, stays, kind=kind)) == []


def test_the_loss_scale_is_that_of_the_last_step() -> None:
    one, scaled = flushed(3e-8), flushed(3e-8 / 1024, loss_scale=1024.0)
    for last in (one, scaled):
        first = scaled if last is one else one
        steps = (first.steps[0], first.steps[1], last.steps[2])
        (found,) = judge(PrecisionLoss, last.model_copy(update={"steps": steps}), min_steps=3)
        assert ("init_scale" in found.fix) is (last is scaled)


def test_gradients_must_be_in_float16_at_every_step() -> None:
    tiny, fine = gradient(1e-9), {"gradient": signal(1e-9).model_dump()}
    names = ("fc0", "fc1", "fc2", "fc3")
    assert judge(PrecisionLoss, steps_of(dict.fromkeys(names, fine), dict.fromkeys(names, tiny))) == []
    assert len(judge(PrecisionLoss, steps_of(dict.fromkeys(names, tiny), dict.fromkeys(names, tiny)))) == 1


def test_a_share_at_its_limit_is_healthy() -> None:
    """If all elements are zero, the share rounded to zero is one."""
    assert judge(PrecisionLoss, flushed(0.0, zero_share=1.0), max_flushed=1.0) == []
    assert len(judge(PrecisionLoss, flushed(0.0, zero_share=1.0), max_flushed=0.99)) == 1


@pytest.mark.parametrize("options", [{"min_steps": 0}, {"max_flushed_layers": -0.1}])
def test_options_that_would_always_find_something_are_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        PrecisionLoss(**options)


def test_the_longest_sequence_of_skipped_steps_is_reported() -> None:
    layers = stack()
    skips = {3: 5, 20: 9, 40: 6}
    steps = tuple(Step(index=at, layers=measured(layers), overflows=row) for at, row in skips.items())
    (found,) = judge(PrecisionLoss, recording(layers, steps=steps))
    assert (found.layers, found.measured, found.step) == ((), 9.0, 20)
    assert judge(PrecisionLoss, recording(layers, steps=())) == []


def test_updates_that_are_rounded_away_explain_a_loss_that_does_not_fall() -> None:
    (found,) = judge(PrecisionLoss, half(0.9))
    for code in ("IH304", "IH402", "IH406", "IH408"):
        assert explains(PrecisionLoss, found, code, step=found.step + 1)
    assert explains(PrecisionLoss, found, "IH402", step=found.step)
    assert not explains(PrecisionLoss, found, "IH405", step=found.step + 1)
