"""The number of sampled elements, limited by the budget of all layers."""

from __future__ import annotations

import pytest

from inithealth.record.live.sample_budget import sample_size

MB = 2**20


@pytest.mark.parametrize(
    ("budget", "layers", "first", "expected"),
    [
        (MB, 1, False, 512),
        (MB, 256, False, 512),
        (MB, 512, False, 256),
        (MB, 10_000, False, 64),
        (MB, 0, False, 512),
        (MB, 16, True, 8192),
        (MB, 8, True, 16_384),
        (MB, 1, True, 16_384),
        (MB, 10_000, True, 64),
        (0, 1, True, 64),
    ],
)
def test_layers_share_the_budget(budget: int, layers: int, first: bool, expected: int) -> None:
    assert sample_size(budget, layers, first=first) == expected


@pytest.mark.parametrize("layers", [1, 7, 100, 2000])
def test_an_output_and_a_gradient_per_layer_fit_into_the_budget(layers: int) -> None:
    assert layers * 2 * 4 * sample_size(MB, layers, first=True) <= MB
