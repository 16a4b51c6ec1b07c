"""The format of the table, on networks with real faults: narrow, plain, with every cause and its mark."""

from __future__ import annotations

import pytest

import inithealth
from inithealth import Severity
from inithealth.report.formats import rendered
from inithealth.report.terminal import text
from tests.report.reports import cause, report
from tests.zoo.faulty import FAULTY

CASES = {build.__name__: build for build in FAULTY}


def test_it_is_what_str_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    of = report(cause("fc1"))
    assert rendered(of, "table") == str(of) == of.table()
    monkeypatch.setenv("COLUMNS", "80")
    assert rendered(of, "table") == text(of, width=80)


@pytest.mark.parametrize("name", CASES)
def test_a_real_report_is_narrow_and_plain(name: str) -> None:
    case = CASES[name]()
    told = lines(inithealth.check(case.model, case.batch, loss=case.loss))
    assert max(len(line) for line in told if "nn.init." not in line) <= 120
    before = [line for line in told[: told.index("")] if "nn.init." not in line]
    assert max(map(len, before)) <= 100
    assert all(line.isascii() and line == line.rstrip() for line in told)
    assert told[0].startswith("inithealth: ")


def test_the_whole_of_a_report() -> None:
    model = mlp(3)
    model[2].weight.data.mul_(0.0)
    told = lines(judged(model))
    assert told[:11] == [
        "inithealth: FAIL - 1 error (Sequential, step 0)",
        "",
        "ERROR   IH103 zero-weights",
        "        layer 2: weights are exactly zero and receive no gradient in 4 steps (limit 50% of the",
        "        units)",
        "        why: output and gradient are zero, so the layer can never change",
        '        fix: nn.init.kaiming_normal_(model[2].weight, nonlinearity="relu")',
        "        -> IH204 dead-units: layer 2, layer 4: 100% of the units never activate in this batch (limit",
        "           75%)",
        "        -> IH304 no-gradient: layer 0, layer 2, layer 4: the gradient is exactly zero in 4 steps",
        "",
    ]
    assert told[11].split() == "layer shape scheme feeds std wants gain theory out rms grad norm used dead".split()
    assert [row.split()[:5] for row in told[12:16]] == [
        ["0", "64x32", "Kaiming", "normal", "relu"],
        ["*", "2", "64x64", "zeros", "relu"],
        ["4", "64x64", "Kaiming", "normal", "relu"],
        ["6", "10x64", "Kaiming", "normal", "loss"],
    ]
    assert told[13].split()[-3:] == ["0", "0/47", "100%"]
    assert told[16:] == [
        "* blamed; std: of the weight, and what its activation wants; gain: output over input rms, and what the "
        "weights predict",
        "used: directions in which the outputs differ, of those that the batch can show; dead: units that never open",
        "",
        "loss: as given",
        "optimizer: SGD(lr=0.01) (none given)",
        "not judged: IH301 vanishing-gradients: fewer than two layers have a non-zero gradient",
        "not judged: IH302 exploding-gradients: fewer than two layers have a non-zero gradient",
    ]


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ((), "ok - nothing found"),
        ((made("a"),), "FAIL - 1 error"),
        ((made("a"), made("b")), "FAIL - 2 errors"),
        ((made("a", severity=Severity.WARNING), made("b", severity=Severity.WARNING)), "ok - 2 warnings"),
        ((made("a", severity=Severity.INFO), made("b", severity=Severity.INFO)), "ok - 2 info"),
        (
            (made("a"), made("b", severity=Severity.WARNING), made("c", severity=Severity.INFO)),
            "FAIL - 1 error, 1 warning, 1 info",
        ),
    ],
)
def test_the_first_line_is_the_verdict(findings: tuple[Finding, ...], told: str) -> None:
    assert lines(report(*findings, step=3))[0] == f"inithealth: {told} (MLP, step 3)"


def test_a_verdict_follows_the_setting() -> None:
    assert "FAIL" in lines(report(made("a", severity=Severity.WARNING), fail_on="warning"))[0]
    assert "FAIL" not in lines(report(made("a"), fail_on="never"))[0]


def test_the_source_is_told_where_it_is_known() -> None:
    assert "        at:  net.py:12" in lines(report(made("fc0", source="net.py:12")))


def test_code_is_broken_at_its_colon_only() -> None:
    loop = (
        "for i in range(0, 96, 2): nn.init.xavier_uniform_(model.body[i].weight, gain=nn.init.calculate_gain('tanh'))"
    )
    call = f"nn.init.normal_(model.{'deep.' * 25}weight, std=0.02)"
    told = lines(report(made("fc0", fix=f"{loop}\n{call}\nnn.init.ones_(model.norm.weight)")))
    at = told.index("        fix: for i in range(0, 96, 2):")
    code = "\n".join(line[13:] for line in told[at : at + 4])
    assert code.splitlines()[0] == "for i in range(0, 96, 2):"
    assert code.splitlines()[2:] == [call, "nn.init.ones_(model.norm.weight)"]
    compile(code, "fix", "exec")
    layers = [nn.Linear(4, 4) for _ in range(96)]
    model = nn.Module()
    model.body = nn.ModuleList(layers)
    torch.manual_seed(0)
    exec("\n".join(code.splitlines()[:2]), {"model": model, "nn": nn})


def test_prose_is_wrapped() -> None:
    told = lines(report(made("fc0", message="word " * 60, cause="reason " * 40, fix="advice " * 40)))
    assert max(map(len, told[:20])) <= 100
    assert sum(line.count("word") for line in told) == 60
    assert sum(line.count("advice") for line in told) == 40


def test_control_characters_in_names_break_no_line() -> None:
    wild = "a\nb\x1b[31mc\r\u2028d\u00e4\x00"
    layers = (layer(wild, 0), layer("head", 1))
    found = made(wild, message=f"{wild}: off", cause=wild, source=wild)
    told = report(found, layers=layers, not_measured=(f"{wild}: why",), notes=(wild,), model=wild)
    assert str(told).isascii()
    assert all(line.isprintable() for line in str(told).split("\n"))
    plain_lines = len(
        str(report(made("x", source="y"), layers=layers, not_measured=("x: why",), notes=("x",))).split("\n")
    )
    assert len(str(told).split("\n")) == plain_lines + 1  # the reason of the finding
    assert r"a\nb\x1b[31mc\r\u2028d\xe4\x00" in str(told)


def deep(count: int) -> tuple[Any, ...]:
    return tuple(layer(f"layers.{number}", number) for number in range(count))


def rows(of: Report) -> list[str]:
    """The table's lines, headings and legend left out."""
    told = lines(of)
    start = next(number for number, line in enumerate(told) if line.split()[:2] == ["layer", "shape"])
    end = next(number for number, line in enumerate(told) if "std: of the weight" in line)
    return told[start + 1 : end]


def test_forty_layers_are_shown_in_full() -> None:
    assert len(rows(report(layers=deep(40)))) == 40


def test_a_long_net_is_cut_and_says_by_how_much() -> None:
    told = rows(report(layers=deep(200)))
    assert len(told) == 41
    assert told[0].split()[0] == "layers.0"
    assert told[-1].split()[0] == "layers.199"
    assert sum(int(line.split()[1]) for line in told if "more layer" in line) == 160


@pytest.mark.parametrize("blamed", [{100}, {3, 50, 51, 150, 199}, {60, 61, 62}, set(range(200))])
def test_the_blamed_layers_of_a_long_net_are_shown(blamed: set[int]) -> None:
    names = [f"layers.{number}" for number in sorted(blamed)]
    told = rows(report(made(*names), layers=deep(200)))
    starred = {line.split()[1] for line in told if line.startswith("*")}
    assert len(told) <= 50
    if len(blamed) < 20:
        assert starred == set(names)
    else:
        assert {"layers.0", "layers.20", "layers.199"} <= starred
    shown = sum("more layer" not in line for line in told)
    left_out = sum(int(line.split()[1]) for line in told if "more layer" in line)
    assert shown + left_out == 200


def test_only_what_is_alarming_is_starred() -> None:
    told = rows(report(made("fc0", severity=Severity.WARNING), made("fc1", severity=Severity.INFO)))
    assert [line[0] for line in told] == ["*", " ", " ", " ", " "]
    consequence = made("fc2", role="consequence", explained_by="IH106 fc0")
    told = rows(report(made("fc0"), consequence))
    assert [line[0] for line in told] == ["*", " ", " ", " ", " "]
    assert "* blamed" not in str(report())


def test_long_names_and_shapes_keep_both_ends() -> None:
    name = ".".join(["encoder", "stages", "3", "blocks", "17", "attention", "self", "projection", "out"])
    told = rows(report(layers=(layer(name, 0, weight={"shape": (1024, 2048, 33, 33)}),)))[0]
    assert "encoder.stage" in told
    assert "projection.out" in told
    assert len(told) <= 120


def test_the_widest_numbers_leave_less_for_the_names() -> None:
    wide = tuple(layer(f"{'deep.' * 20}{number}", number, activation="hardsigmoid") for number in range(3))
    tiny = {each.name: 1.234e-100 for each in wide}
    told = str(Report(model="MLP", layers=wide, measurements=measured(wide, tiny, tiny))).splitlines()
    assert max(map(len, told)) <= 120


def test_a_bare_module_has_a_row() -> None:
    assert rows(judged(nn.Linear(32, 10)))[0].split()[:3] == ["weight", "10x32", "PyTorch"]


def test_what_was_not_judged_or_measured_is_said() -> None:
    skipped = (
        Skipped(code="IH208", rule="loss-at-init", reason="no known value"),
        Skipped(code="IH101", rule="non-finite-weights", reason="not selected"),
        Skipped(code="IH103", rule="zero-weights", reason="not selected"),
    )
    told = lines(report(skipped=skipped, not_measured=("fc9: complex",), notes=("loss: as given",)))
    assert told[-4:] == [
        "loss: as given",
        "not measured: fc9: complex",
        "not judged: IH208 loss-at-init: no known value",
        "not selected: 2 rules",
    ]
    assert lines(report(skipped=skipped[:2]))[-1] == "not selected: 1 rule"


def test_a_report_without_layers_has_no_table() -> None:
    assert lines(report(layers=())) == ["inithealth: ok - nothing found (MLP, step 0)"]


def test_numbers_that_are_not_there_are_dashes() -> None:
    bare = layer("fc", 0).model_copy(update={"weight": None})
    told = str(Report(model="MLP", layers=(bare,)))
    assert told.splitlines()[3].split() == ["fc", "-", "relu", *["-"] * 8]


@pytest.mark.parametrize(
    ("statements", "last"),
    [
        (8, "nn.init.ones_(model.norm7.weight)"),
        (9, "# and 1 more line: finding.fix"),
        (50, "# and 42 more lines: finding.fix"),
    ],
)
def test_a_long_fix_is_cut_and_says_where_the_rest_is(statements: int, last: str) -> None:
    fix = "\n".join(f"nn.init.ones_(model.norm{number}.weight)" for number in range(statements))
    told = [line for line in lines(report(made("fc0", fix=fix))) if "model.norm" in line or "more line" in line]
    assert len(told) == min(statements, 9)
    assert told[-1].strip() == last
