"""The layer table: at most 30 lines, whole names, targets next to values, and marks only on causes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from rich.console import Console

from inithealth import Finding, Report, Severity
from inithealth.recording import Layer, Scheme
from inithealth.report.layer_table import LayerTable
from inithealth.report.terminal import printed
from tests.report.reports import blocks, cause, follows, report
from tests.rules.recordings import layer, measured, stack

WIDTHS = (60, 80, 100, 120)


def table(of: Report, width: int = 100, full: bool = False) -> list[str]:
    return printed(LayerTable(of, full), width).split("\n")


def row(of: Report, name: str, width: int = 100) -> list[str]:
    """Return the cells of the row that starts with the name."""
    [line] = [line for line in table(of, width) if line.removeprefix("> ").strip().startswith(f"{name} ")]
    return line.split()


def headings(of: Report, width: int = 100) -> str:
    return next(line for line in table(of, width) if "layer" in line)


def test_a_healthy_table() -> None:
    known = {"wants": 0.144, "scheme": Scheme(name="kaiming", text="Kaiming normal")}
    layers = stack(3, fc0=known, fc1=known)
    assert table(report(layers=layers)) == [
        "layer shape init           feeds   std target gain target out rms grad norm",
        "fc0   96x96 Kaiming normal relu  0.144  0.144    1   1.41       1      78.4",
        "fc1   96x96 Kaiming normal relu  0.144  0.144    1   1.41       1      78.4",
        "head  96x96 -              loss  0.102   free    1   free       1      78.4",
        "std: of the weight; gain: output rms / input rms; grad norm: L2 norm of the gradient at the output;",
        "target: what keeps the signal's size; free: a norm, a skip or the loss follows",
    ]


def test_a_cause_is_marked_with_the_values_that_the_rule_judges() -> None:
    layers = stack(4, fc1={"wants": 0.144, "weight": {"rms": 4.3}})
    of = report(cause("fc1"), layers=layers, measurements=measured(layers, {"fc1": 42.0}))
    assert row(of, "fc1")[:2] == [">", "fc1"]
    assert row(of, "fc1")[-6:] == ["4.3!", "0.144", "42!", "1.41", "42", "78.4"]
    assert "!" not in "".join(row(of, "fc0") + row(of, "fc2") + row(of, "head"))
    assert "> cause; ! outside the expected range" in " ".join(table(of))


@pytest.mark.parametrize(("severity", "style"), [(Severity.ERROR, "bold red"), (Severity.WARNING, "bold yellow")])
def test_marks_have_the_color_of_the_verdict(severity: Severity, style: str) -> None:
    of = report(cause("fc1", severity=severity), layers=stack(3, fc1={"weight": {"rms": 4.3}}))
    console = Console(width=100)
    [marked] = [line for line in LayerTable(of).__rich_console__(console, console.options) if "> fc1" in str(line)]
    assert {str(span.style) for span in marked.spans if span.style} == {style, "dim"}


def test_numbers_stay_aligned_next_to_marks() -> None:
    of = report(cause("fc1"), layers=stack(3, fc1={"weight": {"rms": 4.3}}))
    values = [line[: line.index("1.41")] for line in table(of) if "1.41" in line]
    assert len({len(value.rstrip("! ").rstrip()) for value in values if "0.144" in value}) == 1


@pytest.mark.parametrize(
    ("severity", "more"),
    [(Severity.INFO, {}), (Severity.ERROR, {"suppressed": "known"})],
    ids=["info", "suppressed"],
)
def test_findings_below_warning_mark_nothing(severity: Severity, more: dict[str, Any]) -> None:
    text = "\n".join(table(report(cause("fc1", severity=severity, **more))))
    assert ">" not in text
    assert "!" not in text


def test_rows_with_consequences_only_are_not_marked() -> None:
    found = cause("fc1")
    of = report(found, follows(found, "fc2", "fc3"))
    assert [line[0] for line in table(of)[1:6]] == [" ", ">", " ", " ", " "]
    assert "!" not in "".join(row(of, "fc2"))


def test_consequences_in_the_root_cause_layer_are_marked() -> None:
    found = cause("fc1")
    assert row(report(found, follows(found, "fc1", "fc2")), "fc1")[-2:] == ["1!", "78.4"]


def test_every_value_of_a_cause_outside_its_target_is_marked() -> None:
    """Weights that make the signal vanish: the rule judges the signal, the std is the cause."""
    layers = stack(3, fc0={"wants": 0.144, "weight": {"rms": 0.05}}, fc1={"wants": 0.144, "weight": {"rms": 0.144}})
    vanishing = cause("fc0", "fc1", code="IH201", rule="vanishing-activations")
    of = report(vanishing, layers=layers)
    assert row(of, "fc0")[-6:-4] == ["0.05!", "0.144"]
    assert row(of, "fc1")[-6:-4] == ["0.144", "0.144"]
    assert row(of, "fc1")[-2] == "1!"


def test_a_rule_that_is_not_about_scale_marks_no_scale() -> None:
    """Duplicate units in a network with torch's defaults: the std is the usual one."""
    layers = stack(3, fc0={"wants": 0.144, "weight": {"rms": 0.05}})
    of = report(cause("fc0", code="IH105", rule="duplicate-neurons"), layers=layers)
    assert row(of, "fc0")[:2] == [">", "fc0"]
    assert "!" not in "".join(row(of, "fc0"))


def test_a_healthy_value_outside_its_target_is_not_marked() -> None:
    """Xavier before ReLU: the gain is 1.0, the target is 1.41; networks with few layers train."""
    of = report(layers=stack(3, fc0={"wants": 0.144, "weight": {"rms": 96**-0.5}}))
    assert row(of, "fc0")[-6:-2] == ["0.102", "0.144", "1", "1.41"]


def test_an_unknown_value_is_a_dash_and_never_marked() -> None:
    bare = layer("fc", 0).model_copy(update={"weight": None})
    of = Report(model="MLP", layers=(bare,), findings=(cause("fc"),))
    assert row(of, "fc") == [">", "fc", "-", "relu", *["-"] * 6]


def test_non_finite_values() -> None:
    layers = stack(3, fc1={"weight": {"rms": math.nan, "mean": math.nan}})
    of = report(
        cause("fc1", rule="non-finite-weights"), layers=layers, measurements=measured(layers, {"fc1": math.inf})
    )
    assert row(of, "fc1")[-6:] == ["nan!", "-", "inf!", "1.41", "inf", "78.4"]


def test_values_of_the_first_step_are_not_marked_for_later_non_finite_ones() -> None:
    found = cause("fc1", code="IH402", rule="update-ratio", step=2)
    nan = follows(found, "fc1", code="IH203", rule="non-finite-activations", step=2)
    of = report(found, nan, step=2)
    assert row(of, "fc1")[:2] == [">", "fc1"]
    assert "!" not in "".join(row(of, "fc1"))
    assert "values: at the first watched step" in " ".join(table(of))
    assert "values:" not in " ".join(table(report(found)))


@pytest.mark.parametrize(
    ("rule", "more", "heading", "cell"),
    [
        ("rank-collapse", {"effective": 1.04, "width": 47}, "rank", "1/47!"),
        ("dead-units", {"dead_share": 0.9}, "dead", "90%!"),
        ("saturated-units", {"saturated_share": 0.6}, "saturated", "60%!"),
    ],
)
def test_columns_that_are_shown_only_with_a_finding(rule: str, more: dict[str, Any], heading: str, cell: str) -> None:
    layers = stack(3)
    measurements = measured(layers, fc1=more)
    of = report(cause("fc1", rule=rule), layers=layers, measurements=measurements)
    assert headings(of).split()[-1] == heading
    assert row(of, "fc1")[-1] == cell
    assert heading not in headings(report(layers=layers, measurements=measurements))


def test_layers_of_a_row_have_the_range_of_their_values() -> None:
    layers = blocks(8, blocks_3_attn_qkv={"weight": {"rms": 0.12}})
    outputs = {each.name: 0.5 + each.index / 100 for each in layers}
    of = report(layers=layers, measurements=measured(layers, outputs))
    assert row(of, "blocks.*.attn.qkv")[2:] == [
        "96x96",
        "-",
        "relu",
        "0.12..0.14",
        "-",
        "0.51..0.72",
        "1.41",
        "0.51..0.72",
        "78.4",
    ]
    assert "a..b: range over the layers of a row" in " ".join(table(of))
    assert "range" not in " ".join(table(report()))


def wide(*findings: Finding) -> Report:
    """Return a report with long names and schemes, and a growing signal."""
    scheme = Scheme(name="truncated_normal", text="truncated normal 0.02")
    layers = tuple(layer(f"transformer.blocks.attention.{n}", n, scheme=scheme) for n in range(40))
    outputs = {each.name: 1.23 + each.index for each in layers}
    return report(*findings, layers=layers, measurements=measured(layers, outputs, outputs))


def test_narrow_tables_have_fewer_columns() -> None:
    words = {width: " ".join(" ".join(table(wide(), width)[:2]).split()) for width in (120, 80, 60)}
    assert "shape init feeds std target gain target" in words[120]
    assert "init std target gain target" in words[80]
    assert "std target gain target" in words[60]
    assert "rms" not in words[60]


def test_the_gradient_column_is_omitted_for_names_if_nothing_was_found_in_it() -> None:
    layers = tuple(layer(f"blocks.{'abc'[n]}.attention_output", n) for n in range(3))
    assert "norm" in " ".join(table(report(layers=layers), 80)[:2])
    shown = table(report(layers=layers), 60)
    assert "norm" not in " ".join(shown[:2])
    assert "rms" in " ".join(shown[:2])
    assert all(line.split()[1:] for line in shown if "blocks." in line)


@pytest.mark.parametrize("width", WIDTHS)
def test_entries_of_the_legend_are_not_broken(width: int) -> None:
    shown = table(report(cause("fc1"), layers=stack(3)), width)
    for entry in ("target: what keeps the signal's size", "> cause", "! outside the expected range"):
        assert any(entry in line for line in shown)


def test_columns_with_findings_are_kept() -> None:
    found = cause("transformer.blocks.attention.3", rule="exploding-gradients")
    assert "norm" in " ".join(table(wide(found), 60)[:2])
    assert "norm" not in " ".join(table(wide(), 60)[:2])


def test_there_is_no_table_without_layers() -> None:
    assert table(report(layers=())) == [""]
    assert table(report(layers=()), full=True) == [""]


def deep(amount: int, prefix: str = "layers") -> tuple[Layer, ...]:
    return tuple(layer(f"{prefix}.{number}", number) for number in range(amount))


def distinct(amount: int) -> tuple[Layer, ...]:
    """Return layers with unrelated names."""
    return tuple(layer(f"{chr(97 + n % 26)}{'xyz'[n % 3]}" + "q" * (n // 26), n) for n in range(amount))


SICK = {
    "healthy": (),
    "one cause": (cause("layers.7"),),
    "five causes": tuple(cause(f"layers.{n}", rule=f"rule-{n}") for n in (3, 50, 51, 150, 199)),
    "all": (cause(*(f"layers.{n}" for n in range(200))),),
    "forty rules": tuple(cause(f"layers.{5 * n}", rule=f"rule-{n}") for n in range(40)),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SICK)
def test_no_table_is_longer_than_30_lines_or_wider_than_the_terminal(name: str, width: int) -> None:
    shown = table(report(*SICK[name], layers=deep(200)), width)
    assert len(shown) <= 30
    assert max(map(len, shown)) <= width


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("layers", [distinct(500), deep(300, "encoder.stages.blocks.attention.projection" * 2)])
def test_any_layer_names_are_handled(layers: tuple[Layer, ...], width: int) -> None:
    shown = table(report(layers=layers), width)
    assert len(shown) <= 30
    assert max(map(len, shown)) <= width


def test_omitted_rows_are_counted() -> None:
    shown = table(report(*SICK["forty rules"], layers=deep(200)))
    more = int(shown[-1].split()[1])
    rows = sum("layers." in line or "layers (" in line for line in shown)
    assert shown[-1] == f"... {more} more rows: report.table(full=True)"
    assert rows + more == 41


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("full", [False, True])
def test_names_are_not_cut(width: int, full: bool) -> None:
    names = [
        f"encoder.stages.{n}.blocks.{17 + n}.attention.self_attention.query_key_value_projection" for n in range(4)
    ]
    names += ["x" * 150]
    of = report(layers=tuple(layer(name, place, weight={"shape": (place + 2, 3)}) for place, name in enumerate(names)))
    shown = table(of, width, full)
    text = "".join(line.strip() for line in shown)
    assert all(name in text for name in names)
    assert max(map(len, shown)) <= width


def test_full_has_a_row_for_each_layer() -> None:
    of = report(cause("blocks.30.attn.qkv"), layers=blocks(60))
    shown = table(of, full=True)
    assert [line.removeprefix(">").split()[0] for line in shown[1:181]] == [each.name for each in of.layers]
    assert [line.split()[1] for line in shown[1:181] if line.startswith("> ")] == ["blocks.30.attn.qkv"]


@pytest.mark.parametrize("name", ["[red]x[/red]", "a\x1b[31m", "a\nb", "ä", "<b>", "a b", "*", "{0}"])
def test_names_are_shown_literally(name: str) -> None:
    of = report(cause(name), layers=(layer(name, 0), layer("head", 1)))
    text = "\n".join(table(of))
    assert text.isascii()
    assert "\x1b" not in text
    assert name.encode("unicode_escape").decode() in text


def test_other_weights_of_a_module_are_not_marked() -> None:
    layers = (
        layer("lstm.weight_ih_l0", 0, module="lstm", kind="rnn"),
        layer("lstm.weight_hh_l0", 1, module="lstm", kind="rnn", weight={"rms": 4.0}),
    )
    of = report(cause("lstm", message="lstm.weight_hh_l0: weights 30x too large"), layers=layers)
    assert [line[0] for line in table(of)[1:3]] == [" ", ">"]
    assert "!" not in table(of)[1]
