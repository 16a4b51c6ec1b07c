"""Deviations step by step: healthy networks are gray, and faults are colored where they are."""

from __future__ import annotations

import math

import pytest
import torch

import inithealth
from inithealth.page.deviations import Deviations
from inithealth.page.of_report import first_step
from inithealth.page.step_values import STATISTICS
from inithealth.recording import Update
from inithealth.report.cause_layers import rules_of_causes
from inithealth.sessions.oneshot import record
from tests.page.networks import FAULTY, HEALTHY
from tests.tensorboard.recordings import changed, layer, plain, signal

OFF = ("forward_off", "gradient_off", "gain_off")


def test_each_statistic_has_a_value_for_each_layer() -> None:
    recording = changed(plain(3, (0,)), "layers.1", dead_share=0.5, saturated_share=0.75)
    step = recording.steps[0].model_copy(update={"updates": {"layers.2": Update(weight=2.0, change=0.5, unmoved=0.0)}})
    values = Deviations(recording, {}).values(step)
    assert set(values) == set(STATISTICS)
    assert {len(each) for each in values.values()} == {3}
    assert values["dead"] == [0.25, 0.75, 0.25]
    assert values["update"][2] == 0.25
    assert math.isnan(values["update"][0])


def test_the_expected_size_is_the_center_of_the_healthy_band() -> None:
    recording = changed(plain(2, (0,)), "layers.1", output=signal(2.0**-9))
    recording = recording.model_copy(update={"layers": (*recording.layers, layer("unused", 9))})
    assert Deviations(recording, {}).centers("forward") == [0.0, -5.0, None]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_shows_no_color_beyond_x2_at_the_first_step(name: str) -> None:
    case = HEALTHY[name]()
    report = inithealth.check(case.model, case.batch, loss=case.loss)
    values = Deviations(first_step(report), rules_of_causes(report)).values(first_step(report).steps[0])
    assert max(abs(off) for each in OFF for off in values[each] if not math.isnan(off)) <= 1.0


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
def test_a_healthy_training_shows_no_red(name: str) -> None:
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
    assert worst <= 2.0
