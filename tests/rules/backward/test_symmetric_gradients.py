"""IH305: units with bit-identical gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.rules.backward.symmetric_gradients import SymmetricGradients
from tests.rules.nets import codes, finding, fixed, judged, mlp, with_options
from tests.rules.recordings import judge, measured, recording, stack


def paired(share: float = 0.5) -> nn.Sequential:
    """Return a network whose third layer has copied units with equal outgoing weights."""
    model = mlp()
    copies = int(64 * share)
    with torch.no_grad():
        model[2].weight[-copies:] = model[2].weight[:copies]
        model[4].weight[:, -copies:] = model[4].weight[:, :copies]
    return model


def test_copies_with_equal_outgoing_weights_receive_equal_gradients() -> None:
    report = judged(paired(), select="IH305")
    found = finding(report, "IH305")
    assert (found.severity, found.layers) == (Severity.WARNING, ("2",))
    assert found.message.startswith(f"layer 2: {found.measured:.0%} of the units")
    assert found.measured == pytest.approx(0.5, abs=0.05)
    assert found.limit == 0.5


def test_it_is_a_consequence_of_the_copies_and_is_fixed_with_them() -> None:
    model = paired()
    report = judged(model)
    assert [cause.code for cause in report.causes] == ["IH105"]
    assert finding(report, "IH305").explained_by == report.causes[0].key
    assert fixed(model, "IH305").causes == ()


def test_random_layers_have_no_finding() -> None:
    assert "IH305" not in codes(judged(mlp()))


def repeating(share: float, **place: Any) -> Any:
    layers = stack(fc1=place)
    return recording(layers, measured(layers, fc1={"gradient_duplicates": share}))


def test_levels() -> None:
    assert judge(SymmetricGradients, repeating(0.4)) == []
    assert judge(SymmetricGradients, repeating(0.0, weight={"fan_out": 1})) == []
    (found,) = judge(SymmetricGradients, repeating(0.99))
    assert found.measured == 0.99


def test_with_two_units_at_most_half_can_repeat() -> None:
    assert len(judge(SymmetricGradients, repeating(0.5, weight={"fan_out": 2, "shape": (2, 96)}))) == 1


@pytest.mark.parametrize("place", [{"head": True}, {"kind": "embedding"}])
def test_heads_and_embeddings_are_not_checked(place: dict[str, Any]) -> None:
    assert judge(SymmetricGradients, repeating(0.99, **place)) == []


def test_several_layers_are_one_finding() -> None:
    layers = stack()
    alike = measured(layers, fc1={"gradient_duplicates": 0.6}, fc2={"gradient_duplicates": 0.9})
    (found,) = judge(SymmetricGradients, recording(layers, alike))
    assert set(found.layers) == {"fc1", "fc2"}
    assert "up to 90% of the units" in found.message
    assert found.measured == 0.9


def test_the_option_changes_the_limit() -> None:
    assert codes(judged(paired(), select="IH305", **with_options("symmetric-gradients", max_share=0.8))) == []
    assert codes(judged(paired(0.25), select="IH305", **with_options("symmetric-gradients", max_share=0.2))) == [
        "IH305"
    ]
