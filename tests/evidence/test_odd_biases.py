"""Biases of another kind than those of their peers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.evidence.odd_biases import BiasLimits, OddBias, odd_biases
from inithealth.recording import Layer, Recording, Weight
from tests.rules.recordings import layer, recording, weight

DRAWN = 0.0825  # std of the default of 48 units
Start = float | tuple[float, float]  # a constant, or mean and std


def bias(name: str, start: Start, **more: Any) -> dict[str, Any]:
    mean, std = start if isinstance(start, tuple) else (start, 0.0)
    known = {"shape": (192,), "mean": mean, "constant": not std, "fan_in": None, "fan_out": None}
    spread = {"abs_max": abs(mean) + std * 3**0.5, "kurtosis": 1.8}  # uniform
    made: Weight = weight(name, (mean**2 + std**2) ** 0.5, **{**known, **spread, **more})
    return made.model_dump()


def recurrent(*starts: Start, **more: Any) -> Recording:
    """The biases of one recurrent module."""
    layers = []
    for place, start in enumerate(starts):
        name = f"rnn.weight_{('ih', 'hh')[place % 2]}_l{place // 2}"
        own = {"module": "rnn", "kind": "rnn", "type_name": "LSTM", "activation": None}
        own |= {"bias": bias(name.replace("weight", "bias"), start)}
        layers.append(layer(name, place, **{**own, **more}))
    return recording(tuple(layers), ())


def heads(*starts: Start, **more: Any) -> Recording:
    """The biases of heads in a list."""
    layers: list[Layer] = []
    for place, start in enumerate(starts):
        own = {"head": True, "kind": "conv", "type_name": "Conv2d", "bias": bias(f"cls.{place}.bias", start)}
        layers.append(layer(f"cls.{place}", place, **{**own, **more}))
    return recording(tuple(layers), ())


def found(of: Recording, **limits: Any) -> list[OddBias]:
    return list(odd_biases(of, BiasLimits(**limits)))


RANDOM: Start = (0.0, DRAWN)


def test_a_constant_beside_drawn_biases() -> None:
    (odd,) = found(recurrent(RANDOM, RANDOM, 3.0, RANDOM))
    assert (odd.name, len(odd.followers)) == ("rnn.bias_ih_l1", 3)
    assert (odd.found, odd.usual) == ("constant 3", "drawn with std 0.0825")
    assert odd.distance == pytest.approx(3.0, abs=0.01)
    assert odd.fix == "nn.init.normal_(model.rnn.bias_ih_l1, 0, 0.0825)"


def test_a_drawn_one_beside_zeros() -> None:
    (odd,) = found(recurrent(0.0, 0.0, 0.0, (0.0, 2.0)))
    assert (odd.name, odd.found, odd.usual) == ("rnn.bias_hh_l1", "drawn with std 2", "constant 0")
    assert odd.fix == "nn.init.constant_(model.rnn.bias_hh_l1, 0)"


def test_one_of_another_scale() -> None:
    (odd,) = found(recurrent(RANDOM, RANDOM, RANDOM, (0.0, 3.0)))
    assert (odd.name, len(odd.followers)) == ("rnn.bias_hh_l1", 3)


@pytest.mark.parametrize("missed", [0.0, (0.0, 0.05)])
def test_a_head_without_the_prior_of_the_others(missed: Start) -> None:
    (odd,) = found(heads(-4.6, -4.6, missed))
    assert (odd.name, odd.usual) == ("cls.2.bias", "constant -4.6")
    assert odd.fix == "nn.init.constant_(model.cls[2].bias, -4.6)"


@pytest.mark.parametrize(
    "of",
    [
        recurrent(RANDOM, RANDOM, 1.0, RANDOM),  # as a forget gate
        recurrent(0.0, 0.0, 0.0, RANDOM),  # too small to matter
        recurrent(RANDOM, 3.0, RANDOM, 3.0),  # input and recurrent biases
        recurrent(RANDOM, 3.0),
        recurrent(RANDOM, RANDOM, 3.0, RANDOM, reaches_loss=False),
        recurrent(RANDOM, RANDOM, 3.0, RANDOM, weight={"spectral_edge": 2.0}),  # trained
        heads(0.0, 0.0, -4.6),  # a prior of one head is intentional
        heads(-4.6, -4.6, -2.0),
        heads(-4.6, -4.6, 0.0, head=False),
        heads(-4.6, 0.0, 0.0, 0.0),
        heads(-4.6, -4.6, 0.0, 0.0),
    ],
)
def test_healthy_biases(of: Recording) -> None:
    assert found(of) == []


def test_elements_that_were_set_are_intentional() -> None:
    of = recurrent(0.0, 0.0, (1.0, 1.7), 0.0)
    gates = of.layers[2].bias
    assert gates is not None
    chosen = gates.model_copy(update={"kurtosis": 5.0, "abs_max": 4.0, "zero_share": 0.75, "mean": 1.0})
    layers = [each.model_copy(update={"bias": chosen}) if each.index == 2 else each for each in of.layers]
    assert found(recording(tuple(layers), ())) == []


@pytest.mark.parametrize("shape", [(191,), (4,)])
def test_heads_of_other_sizes_are_no_peers(shape: tuple[int, ...]) -> None:
    of = heads(-4.6, -4.6, 0.0)
    other = of.layers[2].model_copy(update={"bias": Weight.model_validate(bias("cls.2.bias", 0.0, shape=shape))})
    assert found(recording((*of.layers[:2], other), ())) == []


def test_the_fix_gives_the_bias_of_the_others() -> None:
    model = nn.ModuleDict({"rnn": nn.LSTM(8, 48, 2)})
    nn.init.constant_(model["rnn"].bias_ih_l1, 3.0)
    exec(found(recurrent(RANDOM, RANDOM, 3.0, RANDOM))[0].fix, {"model": model, "nn": nn, "torch": torch})
    assert float(model["rnn"].bias_ih_l1.detach().std()) == pytest.approx(DRAWN, rel=0.2)


def test_the_limits() -> None:
    assert found(heads(-4.6, -4.6, 0.0), min_bias_followers=3) == []
    assert found(heads(-4.6, -4.6, 0.0), max_odd_share=0.3) == []
    assert found(heads(-4.6, -4.6, 0.0), min_bias_distance=5.0) == []
