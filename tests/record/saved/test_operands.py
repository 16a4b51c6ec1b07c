"""The operands of an operation, read from its saved tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from inithealth.record.saved import operands
from tests.record.reading import flow_behind, operation_of, squares


def test_the_weight_in_use_is_the_normalized_one() -> None:
    model = parametrizations.weight_norm(nn.Linear(4, 7))
    with torch.no_grad():
        model.parametrizations.weight.original0.mul_(3)
    flow = flow_behind(model, squares(model(torch.randn(5, 4, requires_grad=True))))
    (operation,) = flow.operations.values()
    used = operands.operand_tensor(flow.graph, operation)
    assert used is not None
    assert torch.allclose(used.t(), model.weight)


def test_the_share_between_samples_is_that_of_the_heads_input() -> None:
    """All samples are equal except for a little noise: noise^2 of the mean square differs."""
    x = torch.ones(64, 50) + 0.1 * torch.randn(64, 50)
    model = nn.Linear(50, 3)
    flow = flow_behind(model, squares(model(x)))
    share = operands.between_inputs(flow, operation_of(flow, "weight").node, None)
    columns = [[row[at] for row in x.tolist()] for at in range(50)]
    variances = [sum((v - sum(c) / 64) ** 2 for v in c) / 64 for c in columns]
    assert share == pytest.approx(sum(variances) / 50 / (sum(v * v for c in columns for v in c) / 3200), rel=1e-6)
    assert share == pytest.approx(0.01, rel=0.1)


def test_constants_are_signals_without_gradient() -> None:
    x = torch.randn(5, 4)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    hidden = model[0](x).detach()
    flow = flow_behind(model, squares(model[1](hidden)) + squares(model[0](x)))
    found = {constant.address: constant.shape for constant in operands.constants(flow)}
    assert found == {x.data_ptr(): (5, 4), hidden.data_ptr(): (5, 3)}
