"""The first step with the fixes."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import numpy as np
import torch
from torch import nn

import inithealth
from inithealth.page.document import to_json
from inithealth.page.of_report import first_step, run_data
from inithealth.page.with_fixes import with_fixes
from inithealth.report.cause_layers import rules_of_causes
from tests.rules.recordings import measured, stack
from tests.zoo import faulty


def numbers(values: dict[str, str], name: str) -> Any:
    return np.frombuffer(b64decode(values[name]), "<f4")


def test_layers_that_the_fix_makes_healthy_are_within_their_range() -> None:
    torch.manual_seed(0)
    _, case = faulty.he_perceptron("small")
    for linear in [each for each in case.model.modules() if isinstance(each, nn.Linear)][2:6]:
        with torch.no_grad():
            linear.weight.mul_(0.1)
    report = inithealth.check(case.model, case.batch, loss=case.loss, verify=True)
    made = run_data(report)
    assert np.nanmin(numbers(made["values"], "forward_off")) < -4
    for name in ("forward_off", "gain_off", "gradient_off"):
        assert np.nanmax(abs(numbers(made["fixed"]["values"], name))) < 1, name
    sizes = numbers(made["fixed"]["values"], "forward")
    assert np.allclose(sizes, [m.output.rms for m in report.fixed_measurements if m.output is not None])


def test_it_has_a_value_for_each_layer_of_the_model_as_it_is() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    report = inithealth.check(model, torch.randn(8, 16))
    recording, found = first_step(report), rules_of_causes(report)
    assert with_fixes(recording, (), found) is None
    made = with_fixes(recording, (*report.measurements[:1], *measured(stack()[:1])), found)
    assert made is not None
    assert set(made) == {"values", "expected", "theory"}
    assert np.isnan(numbers(made["values"], "forward")).tolist() == [False, True]
    assert (len(made["theory"]), len(made["expected"]["forward"])) == (2, 2)
    json.loads(to_json(made))
