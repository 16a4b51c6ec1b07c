"""Which layers' weights are trained, by their spectra."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.facts import with_limits
from inithealth.evidence.trained import TrainedLimits, trained_layers
from inithealth.recording import Layer
from tests.rules.recordings import layer, recording


def matrix(name: str, edge: float | None = 2.0, **weight: Any) -> Layer:
    kind = weight.pop("kind", "linear")
    return layer(name, 0, kind=kind, weight={"spectral_edge": edge, **weight})


def found(*layers: Layer, **limits: Any) -> set[str]:
    of = recording(layers, ())
    return set(trained_layers(with_limits(of, [TrainedLimits(**limits)]) if limits else of))


THREE = tuple(matrix(name) for name in ("q", "k", "v"))


def test_three_matrices_with_the_spectral_edge_of_trained_ones() -> None:
    assert found(*THREE) == {"q", "k", "v"}
    assert found(*THREE[:2]) == set()
    assert found(*THREE[:2], min_matrices=2) == {"q", "k"}
    assert found(*(matrix(name, 1.15) for name in "qkv")) == set()
    assert found(*(matrix(name, 1.16) for name in "qkv")) == {"q", "k", "v"}
    assert found(*THREE, max_random_edge=2.0) == set()


@pytest.mark.parametrize(
    "odd",
    [
        {"edge": 1.0},
        {"edge": None},
        {"non_finite": 1},
        {"rms": 0.0},
        {"constant": True},
        {"orthogonal": True},
        {"identity": True},
        {"row_cosine": 0.51},
        {"duplicate_rows": 0.01},
        {"abs_max": 1.0, "rms": 0.02},  # one huge element: an edge of 2.5 by itself
        {"kind": "embedding"},
    ],
)
def test_other_matrices_are_not_judged(odd: dict[str, Any]) -> None:
    """With it, there would be three of three."""
    assert found(*THREE[:2], matrix("v", **odd)) == set()


@pytest.mark.parametrize("weight", [{"row_cosine": 0.5}, {"abs_max": 0.4, "rms": 0.02}])
def test_limits_are_inclusive(weight: dict[str, Any]) -> None:
    assert found(*THREE[:2], matrix("v", **weight)) == {"q", "k", "v"}


@pytest.mark.parametrize(
    ("shape", "kind", "shows"),
    [
        ((8, 8), "linear", True),
        ((7, 96), "linear", False),
        ((96, 7), "linear", False),
        ((96,), "linear", False),
        ((8, 2, 2, 2), "conv", True),
        ((8, 1, 7), "conv", False),
        ((2, 8, 8), "bmm", True),
        ((64, 8, 7), "bmm", False),
    ],
)
def test_small_matrices_are_no_evidence(shape: tuple[int, ...], kind: str, shows: bool) -> None:
    assert bool(found(*(matrix(name, shape=shape, kind=kind) for name in "qkv"))) is shows


@pytest.mark.parametrize(("fresh", "expected"), [(2, {"q", "k", "v"}), (3, set()), (4, set())])
def test_most_of_the_weights_must_be_in_trained_matrices(fresh: int, expected: set[str]) -> None:
    others = [matrix(f"fresh_{word}", 1.0) for word in ("a", "b", "c", "d")[:fresh]]
    assert found(*THREE, *others) == expected


def test_a_shared_parameter_counts_once() -> None:
    tied = [layer(name, 0, weight={"spectral_edge": 1.0}) for name in ("a", "b", "c")]
    one = [each.model_copy(update={"weight": tied[0].weight}) for each in tied]
    assert found(*THREE, *one) == {"q", "k", "v"}
    assert found(*THREE, *tied) == set()


def test_small_layers_follow_most_of_their_peers() -> None:
    blocks = [matrix(f"blocks.{at}.fc", 1.0 if at == 2 else 2.0) for at in range(3)]
    assert found(*THREE, *blocks) == {"q", "k", "v", *(each.name for each in blocks)}
    even = [matrix(f"blocks.{at}.fc", 2.0 if at % 2 else 1.0) for at in range(2)]
    assert found(*THREE, *even) == {"q", "k", "v", "blocks.1.fc"}


@pytest.mark.parametrize(
    ("other", "follows"),
    [
        (layer("norm", 0, kind="norm", weight={"shape": (96,)}), True),
        (layer("tiny", 0, weight={"shape": (4, 96), "spectral_edge": 1.0}), True),
        (layer("zeros", 0, weight={"rms": 0.0}), False),
        (layer("mixed", 0, weight={"spectral_edge": None}), False),
        (layer("fresh", 0, weight={"spectral_edge": 1.0}), False),
    ],
)
def test_layers_without_evidence(other: Layer, follows: bool) -> None:
    assert found(*THREE, other) == {"q", "k", "v"} | ({other.name} if follows else set())
    assert found(other) == set()
