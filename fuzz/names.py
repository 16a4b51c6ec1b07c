"""Fuzzes the names and messages that a program puts into its report: no format, page, picture or log interprets them.

pip install atheris
PYTHONPATH=. python fuzz/names.py -max_total_time=900 -len_control=0 -max_len=256
"""

from __future__ import annotations

import io
import json
import logging
import sys
from contextlib import redirect_stderr

import atheris
import torch
from torch import nn

with atheris.instrument_imports(include=["inithealth"]):
    import inithealth
    from fuzz.texts import prints
    from fuzz.values import provider, text
    from inithealth.cli.printing import noted
    from inithealth.console.log import Log
    from inithealth.page.of_report import first_step
    from inithealth.report.cause_layers import rules_of_causes
    from inithealth.tensorboard.depth_map import depth_map
    from inithealth.tensorboard.heatmap import draw
    from inithealth.tensorboard.verdict_picture import draw_verdict

_NAME = "fuzzed_name"


def _report() -> str:
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module(_NAME, nn.Linear(8, 16))
    model.add_module("rest", nn.Sequential(nn.ReLU(), nn.Linear(16, 4)))
    nn.init.zeros_(model[0].weight)
    made = inithealth.check(model, torch.randn(32, 8))
    return made.model_copy(update={"model": _NAME, "notes": (*made.notes, _NAME)}).to_json()


_JSON = _report()


@atheris.instrument_func
def one(data: bytes) -> None:
    source = provider(data)
    name = text(source)
    fields = json.loads(_JSON.replace(_NAME, json.dumps(name)[1:-1]))
    for finding in fields["findings"]:
        finding["source"] = text(source)
    report = inithealth.Report.model_validate(fields)
    prints(report)
    if source.ConsumeIntInRange(0, 9) == 0:  # slow
        draw_verdict(report, 0)
        draw(depth_map(first_step(report), "forward", rules_of_causes(report)))
    shown = io.StringIO()
    with redirect_stderr(shown):
        Log().line(logging.WARNING, name)
        Log().report(logging.ERROR, report)
        noted(f"inithealth: error: {name}")
        try:
            raise ValueError(name)
        except ValueError:
            Log().warning(name, exc_info=True)
    assert not [line for line in shown.getvalue().splitlines() if line.lstrip().startswith("::") or "##[" in line]


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
