"""Layers with PyTorch's default whose peers follow another scheme."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.missed_init import Missed, MissedLimits, missed_by_scheme
from inithealth.recording import Layer, Recording, Scheme, Weight
from tests.rules.recordings import layer, recording, weight

HE, DEFAULT, ZEROS = (
    Scheme(name="kaiming", text="Kaiming normal (fan_in, relu)"),
    Scheme(name="torch_default", text="PyTorch's default"),
    Scheme(name="zeros", text="zeros"),
)


def linear(name: str, scheme: Scheme | None, **more: Any) -> Layer:
    return layer(name, 0, scheme=scheme, **more)


def network(followers: int = 4, missed: int = 1, scheme: Scheme = HE, **more: Any) -> Recording:
    """Return layers of one class in one module class, some with the default."""
    at_default = [linear(f"block.fc1_{at}", DEFAULT, **more) for at in range(missed)]
    others = [linear(f"block.fc2_{at}", scheme) for at in range(followers)]
    return recording((*at_default, *others), ())


def found(of: Recording, **limits: Any) -> list[Missed]:
    return list(missed_by_scheme(of, MissedLimits(**limits)))


def test_the_group_shows_the_expected_scheme() -> None:
    (one,) = found(network())
    assert [each.name for each in one.layers] == ["block.fc1_0"]
    assert [each.name for each in one.followers] == [f"block.fc2_{at}" for at in range(4)]
    assert (one.scheme, one.kind, one.share) == ("Kaiming normal (fan_in, relu)", "Linear", 0.2)
    assert one.stds == [pytest.approx((2 / 96) ** 0.5)]


@pytest.mark.parametrize(
    ("followers", "missed", "amount"), [(3, 1, 1), (2, 1, 0), (4, 2, 1), (3, 2, 0), (8, 4, 1), (7, 4, 0), (4, 0, 0)]
)
def test_few_layers_among_many(followers: int, missed: int, amount: int) -> None:
    assert len(found(network(followers, missed))) == amount


@pytest.mark.parametrize(
    "more",
    [
        {"head": True},
        {"reaches_loss": False},
        {"kind": "rnn"},
        {"weight": {"trainable": False}},
        {"type_name": "Bilinear"},
        {"scheme": None},
        {"module": "other.part.fc1"},
    ],
)
def test_layers_that_are_not_compared(more: dict[str, Any]) -> None:
    scheme = more.pop("scheme", DEFAULT)
    one = linear("block.fc1_0", scheme, **more)
    assert found(recording((one, *network(missed=0).layers), ())) == []


def test_most_of_the_others_must_follow_one_scheme() -> None:
    xavier = Scheme(name="xavier", text="Xavier normal")
    others = [linear(f"block.fc3_{at}", xavier) for at in range(2)]
    mixed = recording((*network(4).layers, *others), ())
    assert found(mixed) == []  # all of them would have to
    assert len(found(network(4, 1))) == 1


def test_zeros_are_not_a_scheme_to_follow() -> None:
    zeros = [linear(f"block.fc2_{at}", ZEROS, weight={"rms": 0.0}) for at in range(4)]
    assert found(recording((*network(0).layers, *zeros), ())) == []


@pytest.mark.parametrize(("times", "amount"), [(1.0, 1), (1.01, 1), (1.02, 0)])
def test_a_bias_above_the_default_shows_a_custom_initialization(times: float, amount: int) -> None:
    bias = weight("bias", 0.05, shape=(96,), abs_max=times * 96**-0.5, fan_in=None).model_dump()
    assert len(found(network(bias=bias))) == amount


def test_layers_with_an_intentional_bias_count_as_default() -> None:
    bias = weight("bias", 1.0, shape=(96,), abs_max=3.0, fan_in=None).model_dump()
    deliberate = [linear(f"block.fc3_{at}", DEFAULT, bias=bias) for at in range(2)]
    assert found(recording((*network(4).layers, *deliberate), ())) == []
    (one,) = found(recording((*network(8).layers, *deliberate), ()))
    assert ([each.name for each in one.layers], one.share) == (["block.fc1_0"], 3 / 11)


@pytest.mark.parametrize(
    ("sizes", "std"),
    [
        ([(64, 0.02), (256, 0.02), (256, 0.02)], 0.02),  # one std for all
        ([(64, 0.125), (256, 0.0625), (256, 0.0625)], 96**-0.5),  # one gain for all
        ([(96, 0.03), (96, 0.03), (96, 0.03)], 0.03),
    ],
)
def test_the_expected_std_is_one_std_or_one_gain(sizes: list[tuple[int, float]], std: float) -> None:
    others = [linear(f"block.fc2_{at}", HE, weight={"fan_in": fan, "rms": rms}) for at, (fan, rms) in enumerate(sizes)]
    (one,) = found(recording((*network(0).layers, *others), ()), max_missed_share=0.5)
    assert one.stds == [pytest.approx(std)]


def test_trained_layers_are_ignored() -> None:
    spectrum = {"spectral_edge": 2.0}
    layers = [linear(f"block.fc2_{at}", HE, weight=spectrum) for at in range(4)]
    assert found(recording((*network(0).layers, *layers), ())) == []


def test_options() -> None:
    assert found(network(4), min_followers=5) == []
    assert found(network(4), max_missed_share=0.1) == []
    assert len(found(network(3, 2), max_missed_share=0.4)) == 1


def test_heads_are_compared_with_heads() -> None:
    heads = [linear(f"heads.{at}", HE, head=True) for at in range(4)]
    (one,) = found(recording((linear("heads.4", DEFAULT, head=True), *heads), ()))
    assert [each.name for each in one.layers] == ["heads.4"]


def test_embeddings_are_compared_with_embeddings() -> None:
    plain = Scheme(name="normal", text="normal 0.01")
    more = {"kind": "embedding", "type_name": "Embedding"}
    tables = [linear(f"tables.{at}", plain, **more, weight={"rms": 0.01, "fan_in": 1}) for at in range(4)]
    missed = linear("tables.4", DEFAULT, **more, weight={"rms": 1.0, "fan_in": 1})
    (one,) = found(recording((missed, *tables), ()))
    assert (one.kind, one.stds) == ("Embedding", [pytest.approx(0.01)])


def test_recurrent_weights_are_compared_with_recurrent_weights() -> None:
    """Orthogonal weights at the state beside the default at the input are a common choice."""
    orthogonal = Scheme(name="orthogonal", text="orthogonal")

    def cell(name: str, scheme: Scheme) -> Layer:
        named = weight(f"rnn.{name}", 0.1).model_dump()
        return linear(f"rnn.{name}", scheme, kind="rnn", type_name="LSTM", module="rnn").model_copy(
            update={"weight": Weight.model_validate(named)}
        )

    states = [cell(f"weight_hh_l{at}", orthogonal) for at in range(4)]
    inputs = [cell(f"weight_ih_l{at}", DEFAULT) for at in range(2)]
    assert found(recording((*states, *inputs), ())) == []
    (one,) = found(recording((*states, *inputs, cell("weight_hh_l4", DEFAULT)), ()))
    assert [each.name for each in one.layers] == ["rnn.weight_hh_l4"]
