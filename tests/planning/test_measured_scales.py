"""Scales that depend on measurements: unscaled attention, tied heads."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.planning.measured_scales import sharp_projections, tied_stds
from inithealth.recording import Layer, Recording
from tests.rules.recordings import layer, measured, recording, signal

XAVIER = 96**-0.5


def attention(rms: float, **more: Any) -> tuple[Layer, ...]:
    place = {"activation": None, "feeds": "attention", "reads_norm": True, **more}
    return tuple(layer(f"h.{name}", index, weight={"rms": rms}, **place) for index, name in enumerate("qk"))


def scored(layers: tuple[Layer, ...], std: float) -> Recording:
    return recording(layers, measured(layers, **{each.name: {"attention_std": std} for each in layers}))


def test_projections_whose_scores_would_be_sharp_are_smaller() -> None:
    layers = attention(XAVIER / 2)
    found = sharp_projections(scored(layers, 4.0), layers)  # Xavier: 4 x 2 x 2
    assert found == {f"h.{name}.weight": pytest.approx(XAVIER / 4) for name in "qk"}


def test_scaled_scores_and_inputs_of_unknown_scale_need_nothing() -> None:
    for layers, std in ((attention(XAVIER), 1.0), (attention(XAVIER, reads_norm=False), 9.0), (attention(0.0), 9.0)):
        assert sharp_projections(scored(layers, std), layers) == {}


def test_queries_and_keys_in_one_weight_change_the_scores_twice() -> None:
    (packed, _) = attention(XAVIER / 2)
    assert sharp_projections(scored((packed,), 1.0), [packed]) == {"h.q.weight": pytest.approx(XAVIER / 2)}


@pytest.mark.parametrize(
    ("rms", "normed", "std"), [(1.0, True, XAVIER), (0.25, True, 4 * XAVIER), (0.25, False, XAVIER), (0.01, True, 1.0)]
)
def test_a_tied_head_is_scaled_for_its_input(rms: float, normed: bool, std: float) -> None:
    head = layer("head", 0, head=True, reads_norm=normed)
    found = tied_stds(recording((head,), measured((head,), head={"input": signal(rms)})), [head], ["head.weight"])
    assert found == {"head.weight": pytest.approx(std)}
