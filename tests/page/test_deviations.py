"""Deviations step by step: healthy networks are gray, and faults are colored where they are."""

from __future__ import annotations

import math

import pytest
import torch

import inithealth
from inithealth.page.deviations import Deviations
from inithealth.page.of_report import first_step
from inithealth.page.step_values import STATISTICS
from inithealth.recording import Recording, Update
from inithealth.report.cause_layers import rules_of_causes
from inithealth.sessions.oneshot import record
from tests.page.networks import FAULTY, HEALTHY
from tests.tensorboard.recordings import changed, layer, plain, relabelled, signal

OFF = ("forward_off", "gradient_off", "gain_off")


def course(recording: Recording, statistic: str = "forward_off") -> list[list[float]]:
    """Return the deviations of all layers, step by step."""
    deviations = Deviations(recording, {})
    return [list(deviations.values(step)[statistic]) for step in recording.steps]


def test_each_statistic_has_a_value_for_each_layer() -> None:
    recording = changed(plain(3, (0,)), "layers.1", dead_share=0.5, saturated_share=0.75)
    step = recording.steps[0].model_copy(update={"updates": {"layers.2": Update(weight=2.0, change=0.5, unmoved=0.0)}})
    values = Deviations(recording, {}).values(step)
    assert set(values) == set(STATISTICS)
    assert {len(each) for each in values.values()} == {3}
    assert values["dead"] == [0.25, 0.75, 0.25]
    assert values["update"][2] == 0.25
    assert math.isnan(values["update"][0])


def test_what_happens_to_all_layers_alike_is_expected() -> None:
    recording = plain(5, (0, 1))
    for name in [each.name for each in recording.layers]:
        recording = changed(recording, name, step=1, output=signal(2.0**-20))
    assert course(recording) == [[0.0] * 5] * 2


def test_a_layer_that_changes_unlike_its_peers_is_off_beyond_what_training_does() -> None:
    recording = changed(plain(5, (0, 1, 2)), "layers.3", step=2, output=signal(2.0**9))
    assert course(recording)[2] == [0.0, 0.0, 0.0, 9.0 - 3.0, 0.0]
    assert course(changed(recording, "layers.3", step=2, output=signal(2.0**2)))[2] == [0.0] * 5


def test_a_fault_of_the_first_step_stays_visible_until_it_is_gone() -> None:
    recording = changed(plain(5, (0, 1, 2)), "layers.3", output=signal(2.0**-9))
    recovered = changed(recording, "layers.3", step=2, output=signal(2.0**-6))
    assert [step[3] for step in course(recovered)] == [-4.0, -4.0, -1.0]


def test_layers_that_recover_from_a_fault_are_no_reference_for_the_others() -> None:
    recording = plain(7, (0, 1))
    for name in ("layers.3", "layers.4", "layers.5", "layers.6"):
        recording = changed(recording, name, step=0, output=signal(2.0**-19))
    assert course(recording)[1] == [0.0] * 7


def test_a_zero_start_is_not_judged_and_later_compared_with_its_first_size() -> None:
    recording = relabelled(plain(4, (0, 1, 2)), "layers.1", ends_branch=True)
    recording = changed(recording, "layers.1", step=0, output=signal(0.0))
    recording = changed(recording, "layers.1", step=1, output=signal(2.0**-9))
    found = [step[1] for step in course(changed(recording, "layers.1", step=2, output=signal(2.0**-9)))]
    assert math.isnan(found[0])
    assert found[1:] == [0.0, 0.0]
    still = course(changed(recording, "layers.1", step=2, output=signal(0.0)))
    assert still[2][1] == -math.inf


def test_zeros_in_the_body_and_non_finite_elements_are_shown() -> None:
    recording = changed(plain(3, (0,)), "layers.0", output=signal(0.0))
    recording = changed(recording, "layers.1", output=signal(1.0, non_finite=1))
    assert course(changed(recording, "layers.2", output=None))[0][:2] == [-math.inf, math.inf]
    assert math.isnan(course(changed(recording, "layers.2", output=None))[0][2])


def test_a_structurally_zero_gradient_is_not_judged() -> None:
    recording = relabelled(plain(3, (5,)), "layers.1", exempt_zero_gradient=True)
    recording = changed(recording, "layers.1", gradient=signal(0.0))
    assert math.isnan(course(recording, "gradient_off")[0][1])


def test_the_expected_size_is_the_center_of_the_healthy_band() -> None:
    recording = changed(plain(2, (0,)), "layers.1", output=signal(2.0**-9))
    recording = recording.model_copy(update={"layers": (*recording.layers, layer("unused", 9))})
    assert Deviations(recording, {}).centers("forward") == [0.0, -5.0, None]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_shows_no_color_beyond_x2_at_the_first_step(name: str) -> None:
    case = HEALTHY[name]()
    report = inithealth.check(case.model, case.batch, loss=case.loss)
    values = Deviations(first_step(report), rules_of_causes(report)).values(first_step(report).steps[0])
    assert max(abs(off) for each in OFF for off in values[each] if not math.isnan(off)) <= 2.0


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_colored_where_it_is(name: str) -> None:
    build, statistic, sign = FAULTY[name]
    case = build()
    report = inithealth.check(case.model, case.batch, loss=case.loss)
    deviations = Deviations(first_step(report), rules_of_causes(report))
    values = deviations.values(first_step(report).steps[0])[statistic]
    colored = {each.module for each, off in zip(deviations.layers, values, strict=True) if abs(off) > 2.0}
    at = {each.module: off for each, off in zip(deviations.layers, values, strict=True)}[report.causes[0].layers[0]]
    assert report.causes[0].layers[0] in colored
    assert at == -math.inf if sign == 0 else at * sign > 2.0


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_shows_no_color_beyond_x4(name: str) -> None:
    case = HEALTHY[name]()
    deviations = Deviations(record(case.model, case.batch, loss=case.loss), {})
    optimizer = torch.optim.AdamW(case.model.parameters(), lr=1e-3)
    worst, call = 0.0, inithealth.Call.of(case.batch)
    with inithealth.watch(case.model, optimizer=optimizer, schedule=20, verbose=False) as monitor:
        for step in range(201):
            optimizer.zero_grad()
            loss = case.loss(case.model(*call.args, **call.kwargs))
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            if step % 20 == 0:
                values = deviations.values(monitor.recording.steps[-1])
                offs = [off for each in OFF for off in values[each] if not math.isnan(off)]
                worst = max([worst, *map(abs, offs)])
    assert worst <= 4.0
