"""Layers that generate weights of a wrong scale, in whole models."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Severity
from tests import hypernetworks


def causes(model: nn.Module, x: Tensor = hypernetworks.VECTORS, **more: Any) -> list[Finding]:
    found = inithealth.check(model, x, loss=hypernetworks.loss, **more).causes
    return [each for each in found if each.severity is not Severity.INFO]  # layers without use are notes


def test_default_heads_right_after_an_embedding_amplify_the_signal() -> None:
    """Each generated weight has 2 to 3 times the expected gain: the loss is 20 times that of guessing."""
    model = hypernetworks.by_task(None, depth=6, shallow=True)
    (finding,) = causes(model)
    assert (finding.code, finding.severity) == ("IH106", Severity.ERROR)
    assert set(finding.layers) == {f"heads.{place}" for place in range(6)}
    assert "generated weights up to" in finding.message
    exec(finding.fix, {"model": model})
    assert causes(model) == []


@pytest.mark.parametrize("product", hypernetworks.PRODUCTS)
def test_large_weights_of_each_sample(product: str) -> None:
    model = hypernetworks.by_sample(hypernetworks.PRODUCTS[product], factor=6.0)
    (finding,) = causes(model)
    assert (finding.code, finding.variant, finding.severity) == ("IH106", "large", Severity.ERROR)
    assert set(finding.layers) == {"heads.0", "heads.1", "heads.2"}
    exec(finding.fix, {"model": model})
    assert causes(model) == []


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(("factor", "variant"), [(6.0, "large"), (1 / 50, "small")])
def test_kernels_of_a_wrong_scale(grouped: bool, factor: float, variant: str) -> None:
    (finding,) = causes(hypernetworks.kernels(factor, grouped=grouped), hypernetworks.IMAGES)
    assert (finding.code, finding.variant, finding.severity) == ("IH106", variant, Severity.ERROR)
    assert set(finding.layers) == {"heads.0", "heads.1", "heads.2"}


def test_small_weights_are_a_warning_with_adam() -> None:
    model = hypernetworks.by_task(1 / 50)
    (finding,) = causes(model)
    assert (finding.code, finding.variant, finding.severity) == ("IH106", "small", Severity.ERROR)
    assert set(finding.layers) == {"heads.0", "heads.1", "heads.2"}  # small predictions are healthy
    assert finding.measured == pytest.approx(50**-3, rel=0.2)
    (finding,) = causes(model, optimizer=torch.optim.Adam(model.parameters()))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.3])
def test_heads_that_preserve_the_signal(factor: float) -> None:
    assert causes(hypernetworks.by_task(factor)) == []
    assert causes(hypernetworks.kernels(factor), hypernetworks.IMAGES) == []
    for product in hypernetworks.PRODUCTS.values():
        assert causes(hypernetworks.by_sample(product, factor)) == []


def test_default_heads_after_a_hidden_layer() -> None:
    assert causes(hypernetworks.by_task(None)) == []


def test_a_bias_that_holds_the_weight() -> None:
    model: Any = hypernetworks.by_task()
    for head in model.heads:
        assert isinstance(head, nn.Linear)
        hypernetworks.bias_only(head, hypernetworks.WIDTH, math.sqrt(2))
    assert causes(model) == []


@pytest.mark.parametrize("name", hypernetworks.lookalikes())
def test_products_without_a_generated_weight(name: str) -> None:
    assert causes(*hypernetworks.lookalikes()[name]) == []


def test_mixtures_of_kernels_and_transformed_features() -> None:
    assert causes(hypernetworks.mixed_kernels(), hypernetworks.IMAGES) == []
    assert causes(hypernetworks.transformed_features(), hypernetworks.SEQUENCES) == []


def test_small_residual_branches() -> None:
    assert "IH106" not in {finding.code for finding in causes(hypernetworks.adapters())}
