"""One sum per step combines the statistics of all processes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inithealth.record.live import distributed
from inithealth.record.live.distributed import Ranks
from inithealth.recording import Measurement, Signal, Step

CPU = torch.device("cpu")


def signal(values: Tensor) -> Signal:
    return Signal(
        numel=values.numel(),
        sampled=values.numel(),
        mean=float(values.mean()),
        rms=float(values.square().mean().sqrt()),
        abs_max=float(values.abs().max()),
        zero_share=float((values == 0).double().mean()),
        non_finite=0,
    )


def step(values: Tensor, loss: float, norm: float) -> Step:
    m = Measurement(layer="fc", output=signal(values), gradient=signal(values), weight_gradient=norm)
    return Step(index=0, loss=loss, layers=(m,), global_gradient_norm=norm)


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Provide the other process's part of the sum for the next call."""
    others: list[Tensor] = []
    monkeypatch.setattr(distributed.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda total: total.add_(others.pop()) if others else None)
    return others


def pair(sums: list[Tensor], mine: Step | None, other: Step | None, sharded: tuple[str, ...] = ()) -> Step | None:
    both = Ranks(together=True, layers=["fc"], sharded=sharded, device=CPU)
    norms = [{} if each is None else {"fc.weight": each.global_gradient_norm or 0.0} for each in (mine, other)]
    sums.append(both._sums(other, norms[1]))
    return both.joined(mine, norms[0], {"fc": "fc.weight"})


def test_moments_of_uneven_parts_are_those_of_the_whole(sums: list[Tensor]) -> None:
    one, two = torch.randn(48, dtype=torch.float64), torch.zeros(16, dtype=torch.float64)
    whole = pair(sums, step(one, 1.0, 3.0), step(two, 2.0, 4.0))
    assert whole is not None
    expected, found = signal(torch.cat([one, two])), whole.layers[0].output
    assert found is not None
    for name in ("numel", "sampled", "mean", "rms", "zero_share"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12), name
    assert whole.loss == 1.5
    assert whole.layers[0].gradient is not None
    assert whole.layers[0].gradient.rms == pytest.approx(expected.rms / 2, rel=1e-12)
    assert whole.layers[0].weight_gradient == 3.0  # already averaged: each process has the whole gradient


def test_the_norm_of_a_sharded_gradient_combines_its_shards(sums: list[Tensor]) -> None:
    values = torch.ones(4, dtype=torch.float64)
    whole = pair(sums, step(values, 1.0, 3.0), step(values, 1.0, 4.0), sharded=("fc.weight",))
    assert whole is not None
    assert whole.layers[0].weight_gradient == whole.global_gradient_norm == 5.0


def test_a_process_without_measurements_takes_part(sums: list[Tensor]) -> None:
    values = torch.ones(4, dtype=torch.float64)
    whole = pair(sums, step(values, 1.0, 3.0), None)
    assert whole is not None
    assert whole.loss == 1.0
    assert pair(sums, None, step(values, 1.0, 3.0)) is None
    assert sums == []  # it has called the sum


def test_a_process_that_watches_alone_does_not_wait(sums: list[Tensor]) -> None:
    alone = Ranks(together=False, layers=["fc"], device=CPU)
    mine = step(torch.ones(4), 1.0, 3.0)
    sums.append(torch.full((1,), math.nan))
    assert alone.joined(mine, {}, {}) is mine
    assert len(sums) == 1
    assert alone.bytes == 0


def test_the_size_of_a_sum_depends_on_the_layers_not_the_processes(sums: list[Tensor]) -> None:
    large = Ranks(together=True, layers=[f"layer{number}" for number in range(10_000)], device=CPU)
    assert large.bytes == 8 * (2 + 18 * 10_000)  # 1.4 MB per watched step


def test_numbers_whose_squares_overflow_do_not_block_the_others(sums: list[Tensor]) -> None:
    values = torch.ones(4, dtype=torch.float64)
    whole = pair(sums, step(values, 1.0, 1e200), step(values, 1.0, 4.0), sharded=("fc.weight",))
    assert whole is not None
    assert whole.global_gradient_norm == math.inf
