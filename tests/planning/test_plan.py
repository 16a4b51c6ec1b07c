"""The groups of a plan, and the parameters that it keeps."""

from __future__ import annotations

from inithealth import Finding, Severity
from inithealth.operations import Fill, SetBias
from inithealth.planning.plan import Plan, planned
from tests.rules.recordings import layer, recording, residual, stack, weight


def cause(*operations: Fill | SetBias, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(code="IH208", rule="loss-at-init", severity=severity, message="off", operations=operations)


def titles(plan: Plan) -> list[str]:
    return [group.role.title for group in plan.groups]


def test_the_last_layers_of_branches_are_scaled_by_their_number() -> None:
    plan = planned(recording(residual(4), branches=4, normalized=True), [], [], {})
    (ends,) = (group for group in plan.groups if group.role.title.startswith("Last layers"))
    assert [each.kind for each in ends.operations] == ["initialize"] * 4 + ["scale_by_depth"] * 4
    assert "Normalizations" in titles(plan)


def test_branches_that_the_graph_does_not_show_count_too() -> None:
    plan = planned(recording(residual(4), branches=1, normalized=True), [], [], {})
    scaled = [each for group in plan.groups for each in group.operations if each.kind == "scale_by_depth"]
    assert [each.branches for each in scaled if each.kind == "scale_by_depth"] == [4] * 4


def test_branches_are_not_scaled_where_their_sum_is_normalized() -> None:
    plan = planned(recording(residual(4), branches=4, normalized=True, trunk_normalized=True), [], [], {})
    assert not any(each.kind == "scale_by_depth" for group in plan.groups for each in group.operations)


def test_what_no_layer_owns_is_kept_with_its_reason() -> None:
    frozen = stack(fc0={"weight": {"trainable": False}})
    plan = planned(recording(frozen), [], ["fc0.weight", "fc1.weight", "gamma"], {})
    assert plan.kept == {"they are frozen": ("fc0.weight",), "their role is not known": ("gamma",)}


def test_the_magnitude_of_weight_norm_is_neither_kept_nor_named() -> None:
    layers = (layer("fc", 0, weight={"name": "fc.weight_v"}),)
    assert planned(recording(layers), [], ["fc.weight_v", "fc.weight_g"], {}).kept == {}


def test_a_finding_sets_the_prior_after_the_biases_are_zero() -> None:
    layers = stack(head={"bias": weight("head.bias", 0.0, shape=(96,)).model_dump()})
    plan = planned(recording(layers), [cause(SetBias(parameter="head.bias", value=-4.6))], [], {})
    kinds = [each.kind for group in plan.groups for each in group.operations if each.parameter == "head.bias"]
    assert kinds == ["initialize", "set_bias"]


def test_a_finding_fixes_what_its_role_does_not_initialize() -> None:
    layers = (*stack(), layer("grid", 9, kind="other"))
    fix = Fill(parameter="grid.weight", value=0.5)
    assert planned(recording(layers), [cause(fix)], [], {}).groups[-1].operations == (fix,)
    info = cause(fix, severity=Severity.INFO)
    suppressed = cause(fix).model_copy(update={"suppressed": "intentional"})
    assert "Start values" not in titles(planned(recording(layers), [info, suppressed], [], {}))


def test_rows_for_padding_are_zero_after_their_table_is_drawn() -> None:
    table = layer("tokens", 0, kind="embedding", activation=None, feeds="layer", weight={"shape": (50, 64)})
    plan = planned(recording((table,)), [], ["tokens.weight"], {"tokens.weight": 3, "other.weight": 0})
    assert titles(plan) == ["Embeddings", "Padding"]
    (zeros,) = plan.groups[-1].operations
    assert (zeros.parameter, zeros.model_dump()["matrix"]) == ("tokens.weight", 3)


def test_a_weight_of_two_layers_is_initialized_once() -> None:
    first, second = layer("a", 0), layer("b", 1, weight={"name": "a.weight"})
    plan = planned(recording((first, second)), [], [], {})
    assert [each.parameter for group in plan.groups for each in group.operations] == ["a.weight"]
