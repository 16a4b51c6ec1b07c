"""``Report.apply`` runs the operations of a report on a model, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import inithealth
from inithealth import Finding, Report, Severity
from inithealth.operations import Fill, Freeze, Initialize, Operation, Scale
from tests.report.hostile import TEXT
from tests.rules.nets import judged, mlp, zeroed
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY

ADVICE = {"detached_body", "sigmoid_20"}  # the code of the network must change, not its weights


def cause(*operations: Operation, code: str = "IH106", **more: Any) -> Finding:
    known: dict[str, Any] = {"rule": "weight-scale", "severity": Severity.ERROR, "layers": ("0",), "message": "off"}
    return Finding(code=code, operations=operations, **{**known, **more})


def report(*findings: Finding) -> Report:
    return Report(model="Sequential", findings=findings)


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))


@pytest.mark.parametrize(
    "build", [each for each in FAULTY if each.__name__ not in ADVICE], ids=lambda build: build.__name__
)
def test_an_applied_report_makes_the_network_healthy(build: Callable[[], Case]) -> None:
    case = build()
    for _ in range(2):  # the first fault may hide another one
        inithealth.check(case.model, case.batch, loss=case.loss).apply(case.model)
    assert inithealth.check(case.model, case.batch, loss=case.loss).ok


def test_the_lines_are_what_was_done() -> None:
    model = mlp()
    zeroed(model)
    lines = judged(model).apply(model)
    assert lines[0].startswith("IH103 zero-weights: for i in range(0, 7, 2): nn.init.")
    assert judged(model).ok
    assert judged(model).apply(model) == ()


def test_a_saved_report_can_be_applied() -> None:
    model, loaded = small(), Report.from_json(report(cause(Fill(parameter="0.weight", value=0.5))).to_json())
    assert loaded.apply(model) == ("IH106 weight-scale: nn.init.constant_(model[0].weight, 0.5)",)
    assert bool((model[0].weight == 0.5).all())


def test_a_parameter_is_changed_for_one_cause() -> None:
    once = cause(Scale(parameter="0.weight", factor=0.5), Scale(parameter="0.bias", factor=0.5))
    again = cause(Scale(parameter="0.weight", factor=0.5), Freeze(parameter="2"), code="IH205", rule="saturated-units")
    model = small()
    before = model[0].weight.detach().clone()
    assert report(once, again).apply(model) == (
        "IH106 weight-scale: model[0].weight.data.mul_(0.5)",
        "IH106 weight-scale: model[0].bias.data.mul_(0.5)",
        "IH205 saturated-units: model[2].requires_grad_(False)",
        "IH205 saturated-units: not applied to 0.weight: changed for IH106 weight-scale",
    )
    assert torch.equal(model[0].weight, before * 0.5)
    assert not any(parameter.requires_grad for parameter in model[2].parameters())


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (cause(fix="remove the .detach()"), "no change of parameters alone fixes it: remove the .detach()"),
        (cause(fix="nn.init.zeros_(model[0].weight)"), "no change of parameters alone fixes it: nn.init.zeros_("),
        (cause(), "it has no fix"),
        (cause(Fill(parameter="0.weight", value=1.0), suppressed="intentionally"), "suppressed: intentionally"),
        (cause(Fill(parameter="0.weight", value=1.0), severity=Severity.INFO), "its severity is info"),
    ],
)
def test_other_fixes_are_not_applied(found: Finding, reason: str) -> None:
    model = small()
    before = copy.deepcopy(model.state_dict())
    (line,) = report(found).apply(model)
    assert line.startswith(f"IH106 weight-scale: not applied: {reason}")
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_a_consequence_is_not_fixed() -> None:
    model = small()
    follows = cause(Fill(parameter="0.weight", value=1.0), role="consequence", explained_by="IH103 0")
    assert report(follows).apply(model) == ()
    assert not bool((model[0].weight == 1.0).all())


def test_another_model_is_rejected_and_unchanged() -> None:
    model = mlp()
    zeroed(model)
    found = judged(model)
    name = found.causes[0].operations[0].parameter
    other = mlp()
    home = other.get_submodule(name.rpartition(".")[0])
    home.weight = nn.Parameter(torch.ones(7, 5))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match=r"has the shape \(7, 5\), and \(.*\) in the report: apply the report to"):
        found.apply(other)
    assert all(torch.equal(other.state_dict()[name], value) for name, value in before.items())
    with pytest.raises(ValueError, match=r"the model has no parameter '.*'.*: use the model that was checked"):
        found.apply(nn.ModuleDict({"other": nn.Linear(2, 2)}))
    with pytest.raises(TypeError, match="not list"):
        found.apply([])  # type: ignore[arg-type]


class Marked(nn.Module):
    """Records when something other than its own parameters is reached by name."""

    reached: list[str] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    @property
    def secret(self) -> nn.Linear:
        self.reached.append("secret")
        return self.fc

    def destroy(self) -> None:
        self.reached.append("destroy")


CODE = st.sampled_from(
    [
        *("fc.weight", "fc.bias", "fc", "", "secret", "secret.weight", "destroy", "destroy()", "forward.__globals__"),
        *("__class__", "fc.weight.data", "fc.parametrizations.secret.original0", "parametrizations.secret.original"),
        *("model.destroy()", "__import__('os')._exit(1)", "nn.init.zeros_(model.fc.weight)", "{i}", "\x00"),
    ]
)
WORDS = st.one_of(CODE, TEXT)
NUMBERS = st.floats(-10, 10)
OPERATIONS = st.one_of(
    st.builds(
        Initialize, parameter=WORDS, initializer=st.sampled_from(["zeros", "ones", "orthogonal", "xavier_uniform"])
    ),
    st.builds(Fill, parameter=WORDS, value=NUMBERS),
    st.builds(Scale, parameter=WORDS, factor=NUMBERS),
    st.builds(Freeze, parameter=WORDS),
)
TEXTS = st.fixed_dictionaries(
    {
        **dict.fromkeys(("code", "rule", "message", "cause", "fix", "variant"), WORDS),
        **{name: st.one_of(st.none(), WORDS) for name in ("source", "suppressed")},
        "severity": st.sampled_from(Severity),
        "layers": st.lists(WORDS, max_size=2).map(tuple),
        "operations": st.lists(OPERATIONS, max_size=2).map(tuple),
    }
)


@given(TEXTS, WORDS)
def test_nothing_in_a_loaded_report_is_executed(fields: dict[str, Any], model_name: str) -> None:
    """Whatever a report contains, only parameters of the model change."""
    loaded = Report.from_json(Report(model=model_name, findings=(Finding(**fields),), notes=(model_name,)).to_json())
    model = Marked()
    attributes = set(vars(model))
    named = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_modules()}
    try:
        lines = loaded.apply(model)
    except ValueError:
        pass
    else:
        done = {each.parameter for found in loaded.causes for each in found.operations if found.severity != "info"}
        assert fields["suppressed"] is not None or done <= named
        assert all(line.isprintable() for line in lines)
    assert Marked.reached == []
    assert set(vars(model)) == attributes


@given(st.dictionaries(st.sampled_from(["kind", "parameter", "initializer", "fix", "code", "__class__"]), WORDS))
def test_an_operation_of_text_is_rejected_or_harmless(fields: dict[str, str]) -> None:
    written = report(cause()).model_dump(mode="json")
    written["findings"][0]["operations"] = [fields]
    with suppress(ValueError):
        Report.model_validate(written).apply(Marked())
    assert Marked.reached == []
