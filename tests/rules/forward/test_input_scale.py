"""IH210: inputs with an rms far from one, and their consequences."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Severity
from inithealth.recording import Signal, Step
from inithealth.rules.forward.input_scale import InputScale
from tests.rules.folding import explains
from tests.rules.nets import codes, cross_entropy, finding, judged, mlp, vectors, with_options
from tests.rules.recordings import judge, measured, recording, signal, stack

CONSTANT = signal(rms=0.3, mean=0.29999996, abs_max=0.3)


def of_inputs(first: Signal, **inputs: Signal) -> list[Any]:
    """Return findings for a signal that the first layer reads, and other inputs of the batch."""
    layers = stack(3)
    steps = measured(layers, fc0={"input": first.model_dump()})
    return judge(InputScale, recording(layers, steps, inputs=inputs))


def normalized(fix: str, x: Tensor) -> Tensor:
    """Apply the fix of a finding, as a user would in the Dataset."""
    scope = {"x": x, "torch": torch}
    exec(fix, scope)
    assert isinstance(scope["x"], Tensor)
    return scope["x"]


def test_pixels_of_0_to_255_are_the_cause_of_their_consequences() -> None:
    model, batch = mlp(), vectors() * 60 + 120
    report = judged(model, batch)
    found = finding(report, "IH210")
    assert found.layers == ()
    assert found.message.startswith("batch: rms 13")
    assert found.message.endswith(" (limit 10); initialization schemes assume about 1")
    assert found.limit == 10.0
    assert [cause.code for cause in report.causes] == ["IH210"]
    assert found.severity == max(each.severity for each in report.findings)
    assert judged(model, normalized(found.fix, batch)).causes == ()


@pytest.mark.parametrize(("factor", "severity"), [(1e-2, Severity.WARNING), (1e-3, Severity.ERROR)])
def test_small_inputs_are_reported(factor: float, severity: Severity) -> None:
    batch = vectors() * factor
    found = finding(judged(mlp(), batch), "IH210")
    assert found.severity == severity
    assert "(limit 0.0333)" in found.message
    assert judged(mlp(), normalized(found.fix, batch)).causes == ()


def test_a_bag_of_words_is_judged_by_its_non_zero_elements() -> None:
    batch = torch.zeros(64, 32)
    batch[:, :2] = 0.07
    assert batch.square().mean().sqrt() < 1 / 30
    assert "IH210" not in codes(judged(mlp(), batch))


def test_a_network_may_scale_its_inputs_itself() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp()

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x / 255)

    assert "IH210" not in codes(judged(Scaled(), vectors() * 255))


def seen(batch: Signal, *, normed: bool = False, activation: str = "relu", between: float = 0.5) -> Any:
    """Return findings for a network whose first layer reads the batch unchanged."""
    layers = stack(fc0={"normed": normed, "activation": activation})
    more = {"fc0": {"input": batch.model_dump()}, "head": {"input": signal(between=between).model_dump()}}
    return recording(layers, measured(layers, **more), inputs={"batch": batch})


def test_pixels_without_a_norm_or_a_bounded_activation_are_an_error() -> None:
    def severity(**how: Any) -> Severity:
        return judge(InputScale, seen(signal(150.0), **how))[0].severity

    assert severity() == Severity.ERROR
    assert severity(normed=True) == severity(activation="tanh") == Severity.WARNING


def test_an_offset_is_an_error_unless_batch_norm_removes_it() -> None:
    def severity(**how: Any) -> Severity:
        return judge(InputScale, seen(signal(50.0, mean=49.99), **how))[0].severity

    assert severity(normed=True) == Severity.WARNING
    assert severity() == severity(normed=True, between=1e-5) == Severity.ERROR


def test_one_large_element_is_reported() -> None:
    batch = vectors()
    batch[3, 5] = 60.0
    found = finding(judged(mlp(), batch), "IH210")
    assert found.message.startswith("batch: largest element 60 ")
    assert (found.measured, found.limit) == (60.0, 50.0)


def test_a_constant_input_among_others_is_divided_by_its_value() -> None:
    constant = signal(rms=255.0, mean=255.0, abs_max=255.0)
    (found,) = of_inputs(constant, scale=constant, batch=signal())
    assert found.fix == "x = x / 255"


@pytest.mark.parametrize("factor", [0.1, 1.0, 9.0])
def test_inputs_of_about_one_have_no_finding(factor: float) -> None:
    assert "IH210" not in codes(judged(mlp(), vectors() * factor))


def test_tokens_and_zeros_have_no_scale() -> None:
    model = nn.Sequential(nn.Embedding(300, 32), nn.Flatten(), nn.Linear(96, 10))
    assert "IH210" not in codes(judged(model, torch.arange(192).reshape(64, 3)))
    assert judge(InputScale, recording(inputs={"state": signal(0.0)})) == []


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.head = nn.Linear(32, 64), nn.Linear(32, 64), nn.Linear(64, 10)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head(F.relu(self.left(left)) + F.relu(self.right(right)))


def test_several_inputs_are_one_finding_with_a_fix_each() -> None:
    report = judged(Two(), (vectors() * 100, vectors() * 1000))
    found = finding(report, "IH210")
    assert found.message.startswith("batch[0]: rms 10")
    assert "; batch[1]: rms 10" in found.message
    assert found.measured is not None
    assert found.measured > 900  # the worst one
    assert [line.split(" = ")[0] for line in found.fix.splitlines()] == ["batch[0]", "batch[1]"]
    scope = {"batch": [vectors() * 100, vectors() * 1000]}
    exec(found.fix, scope)
    assert judged(Two(), tuple(scope["batch"])).causes == ()


def test_only_inputs_outside_the_limits_are_reported() -> None:
    report = judged(Two(), {"left": vectors(), "right": vectors() * 1000})
    assert finding(report, "IH210").message.startswith("batch['right']: rms 10")


def broken(count: int) -> Signal:
    return signal(non_finite=count)


def test_a_broken_batch_is_an_error_before_its_scale_is_judged() -> None:
    (found,) = judge(InputScale, recording(inputs={"batch[0]": broken(3), "batch[1]": signal(100.0)}))
    assert found.severity == Severity.ERROR
    assert found.message == "batch[0]: 3 NaN or infinite elements in the batch"
    assert (found.measured, found.limit) == (3.0, 0.0)
    assert torch.isfinite(normalized(found.fix.partition(": ")[2], torch.tensor([1.0, float("nan")]))).all()


def test_a_batch_that_breaks_later_is_reported_with_its_step() -> None:
    layers = stack()
    steps = (
        Step(index=0, layers=measured(layers)),
        Step(index=2, layers=measured(layers), broken_inputs={"batch": broken(1)}),
    )
    (found,) = judge(InputScale, recording(layers, steps=steps))
    assert found.step == 2
    assert found.message == "batch: 1 NaN or infinite element in the batch of step 2"


@pytest.mark.parametrize(
    ("rms", "explained", "not_explained"),
    [(99.0, "IH202", "IH201"), (1e-2, "IH201", "IH202"), (99.0, "IH405", "IH304")],
)
def test_consequences_depend_on_the_scale(rms: float, explained: str, not_explained: str) -> None:
    (cause,) = judge(InputScale, seen(signal(rms)))
    symptom = cause.model_copy(update={"code": explained})
    assert InputScale().accounts_for(cause, symptom)
    assert not InputScale().accounts_for(cause, symptom.model_copy(update={"code": not_explained}))


def test_options() -> None:
    def silent(batch: Any, **options: float) -> bool:
        return "IH210" not in codes(judged(mlp(), batch, cross_entropy, **with_options("input-scale", **options)))

    assert silent(vectors() * 12, max_rms=20.0)
    assert not silent(vectors() * 12)
    assert silent(vectors() * 1e-2, min_rms=1e-3)
    assert not silent(vectors() * 1e-2)
    assert silent(vectors() * 9, max_abs=50.0)
    assert not silent(vectors() * 9, max_abs=20.0)
    assert judge(InputScale, seen(signal(150.0)), highest_rms=200.0)[0].severity == Severity.WARNING
    assert judge(InputScale, seen(signal(1e-3)), lowest_rms=1e-4)[0].severity == Severity.WARNING
    offset = signal(50.0, mean=49.99)
    assert judge(InputScale, seen(offset), max_offset=100.0)[0].severity == Severity.WARNING
    assert judge(InputScale, seen(offset, normed=True), min_between=0.9)[0].severity == Severity.ERROR


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.Hardtanh(), nn.Tanh(), nn.Softsign()])
def test_a_bounded_activation_makes_large_inputs_a_warning(activation: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(32, 64), activation, nn.Linear(64, 10))
    report = inithealth.check(model, 200 * torch.randn(64, 32), loss=lambda output: output.square().mean())
    found = [each for each in report.findings if each.code == "IH210"]
    assert [each.severity for each in found] == [Severity.WARNING]


def test_constant_inputs_are_a_warning_in_a_watched_training() -> None:
    (found,) = of_inputs(CONSTANT, batch=CONSTANT)
    assert found.severity is Severity.WARNING
    assert found.message == f"batch is 0.3 in all of its {CONSTANT.numel} elements"
    (zeros,) = of_inputs(signal(rms=0.0), batch=signal(rms=0.0))
    assert zeros.message.startswith("batch is 0 in all")


def test_one_constant_among_the_inputs_is_healthy() -> None:
    assert of_inputs(CONSTANT, mask=CONSTANT, batch=signal()) == []
    assert of_inputs(signal(), mask=CONSTANT) == []  # the first layer reads another input, for example tokens
    assert of_inputs(CONSTANT, scalar=signal(rms=0.3, mean=0.3, abs_max=0.3, numel=1)) == []


def test_a_watched_training_reports_it_once(caplog: pytest.LogCaptureFixture) -> None:
    model = mlp()
    with inithealth.watch(model) as monitor:
        for _ in range(3):
            loss = cross_entropy(model(torch.full_like(vectors(), 0.3)))
            loss.backward()
            monitor.step(loss)
    assert "IH210" in [cause.code for cause in monitor.report.causes]
    assert sum("in all of its" in record.getMessage() for record in caplog.records) <= 2  # the table, and the alert


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (signal(10.0), None),
        (signal(10.1), (10.1, 10.0)),
        (signal(1 / 30), None),
        (signal(0.033), (0.033, 1 / 30)),
        (signal(5.0, abs_max=50.0), None),
        (signal(5.0, abs_max=50.1), (50.1, 50.0)),
        (signal(10.1, abs_max=60.0), (10.1, 10.0)),  # the rms is reported first
        (signal(0.033, abs_max=60.0), (0.033, 1 / 30)),
        (signal(0.02, zero_share=0.75), None),  # non-zero elements have twice the rms
        (signal(0.016, zero_share=0.75), (0.016, 1 / 30)),
    ],
)
def test_an_input_at_the_limits_is_healthy(batch: Signal, found: tuple[float, float] | None) -> None:
    result = judge(InputScale, seen(batch))
    assert [(each.measured, each.limit) for each in result] == ([] if found is None else [found])
    assert [each.severity for each in result] == ([] if found is None else [Severity.WARNING])


def offset(mean: float) -> Signal:
    """Return a signal with a mean of this many standard deviations."""
    return signal(math.hypot(mean, 1.0), mean=mean)


@pytest.mark.parametrize(
    ("batch", "how", "severity"),
    [
        (signal(100.0), {}, Severity.WARNING),
        (signal(100.1), {}, Severity.ERROR),
        (signal(1 / 300), {}, Severity.WARNING),
        (signal(0.0033), {}, Severity.ERROR),
        (signal(0.0033), {"normed": True}, Severity.WARNING),
        (signal(0.0033), {"normed": True, "between": 0.0099}, Severity.ERROR),
        (signal(0.0033), {"normed": True, "between": 0.01}, Severity.WARNING),
        (offset(29.9), {}, Severity.WARNING),
        (offset(30.1), {}, Severity.ERROR),
        (offset(-30.1), {}, Severity.ERROR),
        (offset(30.1), {"normed": True, "between": 0.0099}, Severity.ERROR),
        (offset(30.1), {"normed": True, "between": 0.01}, Severity.WARNING),
    ],
)
def test_training_recovers_at_the_limits(batch: Signal, how: dict[str, Any], severity: Severity) -> None:
    (found,) = judge(InputScale, seen(batch, **how))
    assert found.severity == severity


@pytest.mark.parametrize(("limit", "severity"), [(0.75, Severity.WARNING), (0.74, Severity.ERROR)])
def test_an_offset_at_its_limit_is_no_error(limit: float, severity: Severity) -> None:
    """A mean of 12 with a std of 16."""
    (found,) = judge(InputScale, seen(signal(20.0, mean=12.0)), max_offset=limit)
    assert found.severity == severity


def read_by(batch: Signal, *readers: dict[str, Any], between: float | None = 0.5) -> list[Any]:
    """Return findings if the first layers read the batch and the others a signal of rms 1."""
    layers = stack(**{f"fc{place}": reader for place, reader in enumerate(readers)})
    more: dict[str, Any] = {f"fc{place}": {"input": batch.model_dump()} for place in range(len(readers))}
    more["head"] = {"input": signal(between=between).model_dump()}
    return judge(InputScale, recording(layers, measured(layers, **more), inputs={"batch": batch}))


BOUNDED, NORMED = {"activation": "tanh"}, {"normed": True}


@pytest.mark.parametrize(
    ("readers", "severity"),
    [
        ((BOUNDED, BOUNDED), Severity.WARNING),
        ((NORMED, NORMED), Severity.WARNING),
        (({"kind": "rnn"},), Severity.WARNING),
        ((BOUNDED, {}), Severity.ERROR),
        ((NORMED, {}), Severity.ERROR),
    ],
)
def test_all_layers_that_read_pixels_must_bound_or_normalize_them(
    readers: tuple[dict[str, Any], ...], severity: Severity
) -> None:
    (found,) = read_by(signal(150.0), *readers)
    assert found.severity == severity


def test_samples_count_as_different_if_they_were_not_compared() -> None:
    (found,) = read_by(offset(50.0), NORMED, between=None)
    assert found.severity == Severity.WARNING


@pytest.mark.parametrize(("reads", "found"), [(10.1, 1), (9.9, 0), (89.0, 1), (91.0, 0), (math.nan, 1)])
def test_an_input_counts_if_a_layer_reads_a_third_to_three_times_its_rms(reads: float, found: int) -> None:
    layers = stack(1)
    of = recording(layers, measured(layers, head={"input": signal(reads).model_dump()}), inputs={"batch": signal(30.0)})
    assert len(judge(InputScale, of)) == found


def test_the_worst_input_is_measured() -> None:
    both = {"large": signal(100.0), "small": signal(0.001)}
    layers = stack()
    inputs = {"fc0": {"input": both["large"].model_dump()}, "fc1": {"input": both["small"].model_dump()}}
    (found,) = judge(InputScale, recording(layers, measured(layers, **inputs), inputs=both))
    assert (found.measured, found.limit, found.severity) == (0.001, 1 / 30, Severity.ERROR)


def test_the_fix_uses_mean_and_std_of_each_input() -> None:
    batch = signal(20.0, mean=12.0)
    (found,) = judge(InputScale, seen(batch))
    assert found.fix == "x = (x - 12) / 16"
    (found,) = judge(InputScale, seen(signal(20.0, mean=-12.0)))
    assert found.fix == "x = (x + 12) / 16"
    (found,) = judge(InputScale, seen(signal(20.0, mean=-0.5)))
    assert found.fix == "x = x / 20"
    (several,) = of_inputs(batch, **{"batch[0]": batch, "batch[1]": signal(50.0, mean=30.0)})
    assert several.fix == "batch[0] = (batch[0] - 12) / 16\nbatch[1] = (batch[1] - 30) / 40"


def test_the_first_of_several_broken_inputs_is_measured() -> None:
    (found,) = judge(InputScale, recording(inputs={"a": signal(), "b": broken(3), "c": broken(5)}))
    assert (found.measured, found.step) == (3.0, 0)
    assert "b: 3" in found.message
    assert "c: 5" in found.message
    assert "a:" not in found.message


def test_a_batch_broken_at_the_first_step_precedes_a_later_one() -> None:
    layers = stack()
    later = Step(index=4, layers=measured(layers), broken_inputs={"batch": broken(1)})
    steps = (Step(index=0, layers=measured(layers)), later, later.model_copy(update={"index": 6}))
    (found,) = judge(InputScale, recording(layers, steps=steps))
    assert found.step == 4
    (found,) = judge(InputScale, recording(layers, steps=steps, inputs={"batch": broken(2)}))
    assert (found.step, found.measured) == (0, 2.0)


@pytest.mark.parametrize(
    ("batch", "constant"),
    [
        (signal(rms=0.3, mean=-0.3, abs_max=0.3), True),
        (signal(rms=0.3, mean=0.2999, abs_max=0.3), False),
        (signal(rms=0.3, mean=0.3, abs_max=0.3, numel=2), True),
        (signal(rms=0.3, mean=0.3, abs_max=0.3, numel=1), False),
    ],
)
def test_the_maximum_of_a_constant_is_its_mean(batch: Signal, constant: bool) -> None:
    found = of_inputs(CONSTANT, batch=batch)
    assert [(each.measured, each.limit) for each in found] == [(0.0, 0.0)] * constant


def test_a_constant_next_to_tokens_is_not_judged() -> None:
    layers = stack(3, fc1={"kind": "embedding"})
    steps = measured(layers, fc0={"input": CONSTANT.model_dump()})
    assert judge(InputScale, recording(layers, steps, inputs={"batch": CONSTANT})) == []
    assert judge(InputScale, recording(stack(3), steps=(), inputs={"batch": CONSTANT})) == []


def test_an_input_explains_its_consequences() -> None:
    (large,) = judge(InputScale, seen(signal(99.0)))
    (small,) = judge(InputScale, seen(signal(0.01)))
    (error,) = judge(InputScale, seen(signal(150.0)))
    for code in ("IH202", "IH203", "IH205", "IH208", "IH302", "IH402"):
        assert explains(InputScale, large, code)
        assert not explains(InputScale, small, code)
        assert explains(InputScale, error, code)
    for code in ("IH201", "IH206"):
        assert explains(InputScale, small, code)
        assert not explains(InputScale, large, code)
        assert explains(InputScale, error, code)
    assert explains(InputScale, error, "IH304")
    assert not explains(InputScale, error, "IH106")


def test_a_largest_element_above_one_is_a_large_input() -> None:
    (found,) = judge(InputScale, seen(signal(0.5, abs_max=60.0)))
    assert explains(InputScale, found, "IH202")
