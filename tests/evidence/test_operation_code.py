"""The statement of each operation."""

from __future__ import annotations

import pytest

from inithealth.evidence.operation_code import statement
from inithealth.operations import Fill, Freeze, Initialize, Operation, Scale, ScaleByDepth, SetBias


def drawn(initializer: str, *numbers: float, **more: object) -> Initialize:
    fields = {"parameter": "fc.weight", "initializer": initializer, "numbers": numbers, **more}
    return Initialize.model_validate(fields)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (drawn("zeros"), "nn.init.zeros_(model.fc.weight)"),
        (drawn("normal", 0.02), "nn.init.normal_(model.fc.weight, std=0.02)"),
        (drawn("normal", 1.0, 0.02), "nn.init.normal_(model.fc.weight, 1, 0.02)"),
        (drawn("normal", 0.02, matrix=2), "nn.init.normal_(model.fc.weight.data[2], std=0.02)"),
        (drawn("uniform", -1.0, 1.0), "nn.init.uniform_(model.fc.weight, -1, 1)"),
        (drawn("eye", 2), "nn.init.eye_(model.fc.weight.data.view(2, 3))"),
        (drawn("xavier_uniform"), "nn.init.xavier_uniform_(model.fc.weight)"),
        (
            drawn("xavier_uniform", nonlinearity="tanh"),
            'nn.init.xavier_uniform_(model.fc.weight, gain=nn.init.calculate_gain("tanh"))',
        ),
        (
            drawn("kaiming_normal", nonlinearity="relu"),
            'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="relu")',
        ),
        (Fill(parameter="fc.weight", value=4.9), "nn.init.constant_(model.fc.weight, 4.9)"),
        (SetBias(parameter="fc.bias", value=-4.6), "nn.init.constant_(model.fc.bias, -4.6)"),
        (Scale(parameter="fc.weight", factor=120), "model.fc.weight.data.mul_(1.2e+02)"),
        (ScaleByDepth(parameter="fc.weight", branches=3), "model.fc.weight.data /= math.sqrt(3)"),
        (
            ScaleByDepth(parameter="fc.weight", branches=6, paired=True, inverse=True),
            "model.fc.weight.data *= math.sqrt(2 * 3)",
        ),
        (Freeze(parameter=""), "model.requires_grad_(False)"),
        (
            ScaleByDepth(parameter="parametrizations.weight.original1", branches=3),
            "model.weight = model.weight.detach() / math.sqrt(3)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_statement_of_an_operation(operation: Operation, code: str) -> None:
    assert statement(operation) == code
    compile(code, "fix", "exec")


def test_no_name_adds_code() -> None:
    """Names of parameters come from users, and of loaded reports from anyone."""
    name = "w); __import__('os').abort("
    code = statement(Initialize(parameter=name, initializer="zeros"))
    assert code == "nn.init.zeros_(getattr(getattr(model, \"w); __import__('os')\"), 'abort('))"
