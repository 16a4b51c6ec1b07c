"""Tables at zero that are the only input of a layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from tests.rules.nets import codes, cross_entropy, finding, fixed, judged

POINTS = 2 * torch.rand(64, 2, generator=torch.Generator().manual_seed(0)) - 1


class Planes(nn.Module):
    """Features that are read from two planes, added or multiplied, before ReLU layers."""

    def __init__(self, *, multiplied: bool = False, beside: bool = False, biased: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.other = nn.Parameter(torch.zeros(1, 16, 8, 8)), nn.Parameter(torch.zeros(1, 16, 8, 8))
        self.multiplied, self.point = multiplied, nn.Linear(2, 16) if beside else None
        self.body, self.next, self.head = (nn.Linear(*size, bias=biased) for size in ((16, 32), (32, 32), (32, 10)))

    def forward(self, points: Tensor) -> Tensor:
        at = points.view(1, -1, 1, 2)
        one, other = (F.grid_sample(each, at, align_corners=True)[0, :, :, 0].T for each in (self.one, self.other))
        x = one * other if self.multiplied else one + other
        if self.point is not None:
            x = x + self.point(points)
        output: Tensor = self.head(F.relu(self.next(F.relu(self.body(x)))))
        return output


@pytest.mark.parametrize("multiplied", [False, True])
def test_tables_at_zero_starve_the_layers_downstream(multiplied: bool) -> None:
    model = Planes(multiplied=multiplied)
    report = judged(model, POINTS)
    found = finding(report, "IH103")
    assert (found.severity, found.layers, found.role) == (Severity.ERROR, ("one", "other"), "cause")
    assert [cause.code for cause in report.causes] == ["IH103"]
    assert found.fix == "nn.init.normal_(model.one, std=1)\nnn.init.normal_(model.other, std=1)"
    assert "IH103" not in codes(fixed(model, "IH103", POINTS))


@pytest.mark.parametrize("build", [lambda: Planes(beside=True), lambda: Planes(biased=True)])
def test_tables_that_receive_a_gradient_may_be_zero(build: Callable[[], Planes]) -> None:
    assert "IH103" not in codes(judged(build(), POINTS, cross_entropy))
