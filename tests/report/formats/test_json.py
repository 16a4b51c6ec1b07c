"""The JSON format contains the whole report."""

from __future__ import annotations

import json

from inithealth import Report
from inithealth.report.formats import rendered
from tests.report.hostile import EXAMPLE
from tests.rules.recordings import measured, stack


def test_json_is_read_back_unchanged() -> None:
    assert Report.from_json(rendered(EXAMPLE, "json")) == EXAMPLE


def test_json_without_the_fields_of_activations_is_read() -> None:
    layers = stack()
    report = Report(model="MLP", layers=layers, measurements=measured(layers))
    known = json.loads(report.to_json())
    for each in known["layers"]:
        del each["activation_parameters"]
    for each in known["measurements"]:
        del each["pinned_share"]
    assert Report.from_json(json.dumps(known)) == report
