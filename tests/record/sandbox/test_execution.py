"""Operations have the effect of their code, and are rejected before anything changes if they do not fit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import inithealth
from inithealth.evidence.fix_text import Fix
from inithealth.operations import Fill, Freeze, Initialize, Operation, Scale, ScaleByDepth, SetBias, StartTimeSteps
from inithealth.record.sandbox.execution import execute
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY


def drawn(parameter: str, initializer: str, *numbers: float, **more: Any) -> Initialize:
    fields = {"parameter": parameter, "initializer": initializer, "numbers": numbers, **more}
    return Initialize.model_validate(fields)


def state(model: nn.Module) -> dict[str, tuple[torch.Tensor, bool]]:
    return {name: (p.detach().clone(), p.requires_grad) for name, p in model.named_parameters()}


def assert_identical(one: nn.Module, other: nn.Module) -> None:
    left, right = state(one), state(other)
    assert left.keys() == right.keys()
    for name, (values, trained) in left.items():
        assert trained is right[name][1], name
        assert torch.equal(values.view(torch.uint8), right[name][0].view(torch.uint8)), name


def assert_same_effect(build: Callable[[], nn.Module], code: str, operations: tuple[Operation, ...]) -> None:
    """Running the operations and the code, each on a new model with the same seed, gives the same bits."""
    by_code, by_data = build(), build()
    torch.manual_seed(3)
    exec(code, {"model": by_code, "nn": nn})
    torch.manual_seed(3)
    execute(by_data, operations)
    assert_identical(by_code, by_data)


@pytest.mark.parametrize("build", FAULTY, ids=lambda build: build.__name__)
def test_the_operations_of_a_finding_have_the_effect_of_its_code(build: Callable[[], Case]) -> None:
    case = build()
    report = inithealth.check(case.model, case.batch, loss=case.loss)
    for found in report.findings:
        if found.operations:
            assert_same_effect(partial(copy.deepcopy, case.model), found.fix, found.operations)
        else:
            assert not found.fix.startswith(("nn.init", "model", "for ", "import")), found.fix


class Odd(nn.Module):
    """Parameters of every kind that operations change."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 8))
        self.old = nn.utils.weight_norm(nn.Conv1d(4, 6, 3))
        self.experts = nn.Parameter(torch.randn(3, 5, 4))
        self.affine = nn.Linear(3, 6)
        self.register_parameter("a-b", nn.Parameter(torch.randn(4)))


def odd() -> Odd:
    """Return the same model each time: older weight norm cannot be copied."""
    torch.manual_seed(0)
    return Odd()


NORMED = "normed.parametrizations.weight.original1"
OPERATIONS: tuple[Operation, ...] = (
    *(drawn(f"blocks.{place}.weight", "xavier_uniform", nonlinearity="tanh") for place in range(4)),
    drawn("blocks.0.weight", "orthogonal"),
    drawn("blocks.1.weight", "uniform", -0.3, 0.3),
    drawn("blocks.1.bias", "normal", 0.5, 0.1),
    drawn("blocks.2.weight", "xavier_uniform"),
    drawn("blocks.2.bias", "zeros"),
    drawn("a-b", "ones"),
    drawn(NORMED, "kaiming_normal", nonlinearity="relu"),
    drawn("old.weight_v", "normal", 0.3, sets_magnitude=True),
    drawn("experts", "normal", 0.2, matrix=1),
    drawn("affine.bias", "eye", 2),
    Fill(parameter="a-b", value=0.31),
    SetBias(parameter="blocks.3.bias", value=-4.6),
    StartTimeSteps(parameter="blocks.3.bias", low=-6.9, high=-2.3),
    Scale(parameter="blocks.3.weight", factor=0.37),
    ScaleByDepth(parameter="blocks.0.weight", branches=6, paired=True),
    ScaleByDepth(parameter="blocks.1.weight", branches=3, inverse=True),
    ScaleByDepth(parameter="old.weight_g", branches=5),
    ScaleByDepth(parameter=NORMED, branches=5),
    ScaleByDepth(parameter=NORMED, branches=5, inverse=True),
    Freeze(parameter="blocks.1"),
    Freeze(parameter="experts"),
)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.kind}-{each.parameter}")
def test_an_operation_has_the_effect_of_its_code(operation: Operation) -> None:
    fix = Fix.of([operation])
    assert fix.operations == (operation,)
    assert_same_effect(odd, fix, fix.operations)
    model = odd()
    execute(model, [operation])
    with pytest.raises(AssertionError):
        assert_identical(odd(), model)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_loops_run_in_the_order_of_the_code() -> None:
    names = ("blocks.3.weight", "blocks.0.weight", "blocks.2.weight", "affine.weight")
    fix = Fix.of(drawn(name, "normal", 0.02) for name in names)
    assert_same_effect(odd, fix, fix.operations)


def test_names_are_those_without_wrappers() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    execute(nn.DataParallel(model), [Fill(parameter="0.weight", value=0.5)])
    assert bool((model[0].weight == 0.5).all())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Scale(parameter="blocks.9.weight", factor=0.5), "blocks.9.weight"),
        (Freeze(parameter="__class__"), "__class__"),
        (drawn("forward.__globals__", "zeros"), "forward.__globals__"),
        (drawn("affine.parametrizations.__class__.original0", "zeros"), "no parameter|parametrized weight"),
        (drawn("affine.parametrizations.weight.original0", "zeros"), "parametrized weight 'affine.weight'"),
        (drawn("affine.bias", "xavier_uniform"), r"has the shape \(6,\)"),
        (drawn("affine.bias", "eye", 3), r"has the shape \(6,\)"),
        (drawn("experts", "normal", 0.1, matrix=3), r"has the shape \(3, 5, 4\)"),
        (drawn("blocks.0.weight", "orthogonal", matrix=0), r"has the shape \(6, 6\)"),
        (drawn("experts", "normal", 0.1, sets_magnitude=True), "no parameter 'experts_g'"),
        (drawn("counts", "zeros"), "integers"),
    ],
    ids=lambda each: "" if isinstance(each, str) else f"{each.kind}-{each.parameter}",
)
def test_what_does_not_fit_changes_nothing(operation: Operation, message: str) -> None:
    model = odd()
    model.register_buffer("counts", torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match=message):
        execute(model, [Fill(parameter="a-b", value=0.5), operation])
    assert_identical(odd(), model)


def test_parameters_without_values_are_rejected() -> None:
    for model in (nn.Sequential(nn.LazyLinear(3)), nn.Sequential(nn.Linear(3, 3, device="meta"))):
        with pytest.raises(ValueError, match="has no values yet"):
            execute(model, [drawn("0.weight", "zeros")])
