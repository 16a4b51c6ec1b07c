"""A report in a terminal with colors and its width, and plain ASCII elsewhere."""

from __future__ import annotations

import os
from io import StringIO

import pytest
import torch
from rich.console import Console
from torch import nn

from inithealth import Report
from inithealth.report.terminal import printed, renderable, text
from tests.report.reports import blocks, cause, follows, report
from tests.rules.nets import judged, mlp
from tests.rules.recordings import layer

WIDTHS = (60, 80, 100, 120)


def lines(of: Report, width: int = 100) -> list[str]:
    return text(of, width=width).split("\n")


def test_the_complete_report() -> None:
    model = mlp(3)
    model[2].weight.data.mul_(0.0)
    shown = lines(judged(model))
    assert shown[:3] == [
        "inithealth: unhealthy at step 0, 1 error (Sequential, 4 layers)",
        "",
        "ERROR   IH103 zero-weights",
    ]
    assert shown[3].startswith("        layer 2: weights are exactly zero")
    assert [line for line in shown if line.startswith(("  why:  ", "  fix:  "))] == [
        "  why:  output and gradient are zero, so the layer can never change",
        '  fix:  nn.init.kaiming_normal_(model[2].weight, nonlinearity="relu")',
    ]
    assert any(line.startswith("  ->    IH204 dead-units: layer 4: 100% of its 64 units") for line in shown)
    table = shown.index(next(line for line in shown if "layer shape" in line or "layer init" in line))
    assert [line[:3].strip() for line in shown[table + 1 : table + 5]] == ["0", "> 2", "4", "6"]
    assert shown[-4] == "loss: as given"
    assert shown[-1].startswith("not judged: IH302 exploding-gradients: ")


def test_the_source_is_shown_if_known() -> None:
    assert "  at:   net.py:12" in lines(report(cause("fc0", source="net.py:12")))


def test_a_suppressed_cause_shows_the_reason() -> None:
    assert "  suppressed: averages on purpose" in lines(report(cause("fc0", suppressed="averages on purpose")))


def test_consequences_are_below_their_cause() -> None:
    found = cause("fc0")
    shown = lines(report(found, cause("fc3", code="IH204"), follows(found, "fc1", message="grows")))
    assert shown.index("  ->    IH202 exploding-activations: grows") < shown.index("ERROR   IH204 weight-scale")


def test_a_report_without_layers_is_only_its_verdict() -> None:
    assert lines(report(layers=())) == ["inithealth: healthy at step 0 (MLP)"]


def test_a_loop_is_broken_at_its_colon_and_other_code_is_not() -> None:
    loop = (
        "for i in range(0, 96, 2): nn.init.xavier_uniform_(model.body[i].weight, gain=nn.init.calculate_gain('tanh'))"
    )
    call = f"nn.init.normal_(model.{'deep.' * 25}weight, std=0.02)"
    shown = lines(report(cause("fc0", fix=f"{loop}\n{call}\nnn.init.ones_(model.norm.weight)")))
    at = shown.index("  fix:  for i in range(0, 96, 2):")
    code = [line[8:] for line in shown[at : at + 4]]
    assert code[2:] == [call, "nn.init.ones_(model.norm.weight)"]
    compile("\n".join(code), "fix", "exec")
    model = nn.Module()
    model.body = nn.ModuleList(nn.Linear(4, 4) for _ in range(96))
    torch.manual_seed(0)
    exec("\n".join(code[:2]), {"model": model, "nn": nn})


def test_a_long_call_is_broken_after_its_parenthesis_if_that_is_enough() -> None:
    call = 'nn.init.kaiming_normal_(model.blocks[20].conv1.weight, nonlinearity="relu")'
    shown = lines(report(cause("fc0", fix=f"{call}\nfor i in range(4): {call}")), 80)
    at = shown.index("  fix:  nn.init.kaiming_normal_(")
    code = [line[8:] for line in shown[at : at + 5]]
    arguments = 'model.blocks[20].conv1.weight, nonlinearity="relu")'
    assert code == [
        "nn.init.kaiming_normal_(",
        f"    {arguments}",
        "for i in range(4):",
        "    nn.init.kaiming_normal_(",
        f"        {arguments}",
    ]
    compile("\n".join(code), "fix", "exec")


def test_a_name_with_a_parenthesis_is_not_broken() -> None:
    call = f'nn.init.ones_(model.blocks["{"a(b" * 30}"].weight)'
    named = f'model.blocks["a(b"].weight.data.mul_({"1 + " * 15}1)'
    shown = lines(report(cause("fc0", fix=f"{call}\n{named}")), 80)
    assert f"  fix:  {call}" in shown
    assert f"        {named}" in shown


def test_adjacent_loops_over_the_same_numbers_are_merged() -> None:
    loops = [
        f"for i in range(4): nn.init.ones_(model.blocks[i].{name}.weight)" for name in ("norm", "attention", "mlp")
    ]
    fix = "\n".join([*loops[:2], "nn.init.ones_(model.head.weight)", loops[2]])
    shown = lines(report(cause("fc0", fix=fix)))
    at = shown.index("  fix:  for i in range(4):")
    assert [line[8:] for line in shown[at + 1 : at + 5]] == [
        "    nn.init.ones_(model.blocks[i].norm.weight)",
        "    nn.init.ones_(model.blocks[i].attention.weight)",
        "nn.init.ones_(model.head.weight)",
        loops[2],
    ]


@pytest.mark.parametrize(
    ("statements", "last"),
    [
        (8, "nn.init.ones_(model.norm7.weight)"),
        (9, "# and 1 more line: finding.fix"),
        (50, "# and 42 more lines: finding.fix"),
    ],
)
def test_a_long_fix_is_truncated_with_a_note(statements: int, last: str) -> None:
    fix = "\n".join(f"nn.init.ones_(model.norm{number}.weight)" for number in range(statements))
    shown = [line for line in lines(report(cause("fc0", fix=fix))) if "model.norm" in line or "more line" in line]
    assert len(shown) == min(statements, 9)
    assert shown[-1].strip() == last


@pytest.mark.parametrize("width", WIDTHS)
def test_only_code_is_wider_than_the_terminal(width: int) -> None:
    found = cause(
        "blocks.3.attn.qkv",
        message="word " * 60,
        cause="reason " * 40,
        fix="advice " * 40 + "\nnn.init.ones_(" + "x" * 150 + ")",
    )
    of = report(found, follows(found, "head", message="more " * 50), layers=blocks(30), notes=("note " * 50,))
    shown = lines(of, width)
    assert [line for line in shown if len(line) > width and "nn.init." not in line] == []
    for word, amount in (("word", 60), ("reason", 40), ("advice", 40), ("more", 50), ("note", 50)):
        assert sum(line.split().count(word) for line in shown) == amount


def test_control_characters_in_names_do_not_break_lines() -> None:
    wild = "a\nb\x1b[31mc\r\u2028d\u00e4\x00"
    layers = (layer(wild, 0), layer("head", 1))
    of = report(
        cause(wild, message=f"{wild}: off", cause=wild, source=wild, fix=wild),
        layers=layers,
        not_measured=(f"{wild}: why",),
        notes=(wild,),
        model=wild,
    )
    shown = text(of, width=100)
    assert shown.isascii()
    assert all(line.isprintable() for line in shown.split("\n"))
    assert r"a\nb\x1b[31mc\r\u2028d\xe4\x00" in shown


def test_markup_in_names_is_shown_literally() -> None:
    wild = "[red]a[/red][link=x]"
    of = report(cause(wild, message=wild, cause=wild, fix=wild, source=wild), layers=(), model=wild, notes=(wild,))
    assert text(of, width=100).count(wild) == 6


def test_full_has_a_row_for_each_layer() -> None:
    of = report(layers=blocks(30))
    assert all(each.name in of.table(full=True) for each in of.layers)
    assert "blocks.7.norm" not in of.table()


@pytest.mark.parametrize(("columns", "width"), [(40, 60), (70, 70), (300, 120)])
def test_the_width_of_the_terminal_is_used_within_limits(
    columns: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    of = report(cause("fc0", message="word " * 100))
    assert str(of) == text(of, width=width)


def test_the_width_is_100_columns_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: (_ for _ in ()).throw(OSError))
    of = report(cause("fc0", message="word " * 100))
    assert str(of) == text(of, width=100)


def colored(of: Report) -> str:
    file = StringIO()
    Console(file=file, width=100, force_terminal=True, color_system="standard", no_color=False).print(renderable(of))
    return file.getvalue()


def test_a_terminal_gets_the_same_text_with_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    of = report(cause("fc1", fix="nn.init.ones_(x)"), layers=blocks(8))
    shown = colored(of)
    assert "\x1b[1;31mERROR   IH106 weight-scale\x1b[0m" in shown
    plain = "".join(part.partition("m")[2] if n else part for n, part in enumerate(shown.split("\x1b[")))
    assert [line.rstrip() for line in plain.rstrip().split("\n")] == text(of, width=100).split("\n")


@pytest.mark.parametrize("variable", ["NO_COLOR", "FORCE_COLOR"])
def test_text_is_plain_in_any_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = text(report(cause("fc1")), width=100)
    monkeypatch.setenv(variable, "1")
    assert text(report(cause("fc1")), width=100) == before
    assert "\x1b" not in before


def test_printed_ends_without_a_newline() -> None:
    assert printed("a\n\n", 80) == "a"
