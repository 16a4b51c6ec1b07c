"""Initializations recognized by the structure of a weight: constants, orthogonal, sinusoidal, trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth.theory.plain_schemes import plain_scheme
from inithealth.theory.schemes import with_schemes
from tests.record.reading import read
from tests.rules.recordings import layer as made_up
from tests.theory.drawn_layers import layer, text


def test_trained_weights_have_dominant_directions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 16))
    inputs = torch.randn(256, 16) @ torch.randn(16, 64)
    targets = (inputs @ torch.randn(64, 16)).argmax(1)
    layers = with_schemes(read(model, inputs).recorder.layers)
    assert {each.scheme.text for each in layers if each.scheme} == {"PyTorch default"}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    body = with_schemes(read(model, inputs).recorder.layers)[:2]  # the head changes less
    assert [each.scheme.text for each in body if each.scheme] == ["trained", "trained"]


def test_repeated_units_do_not_show_training() -> None:
    torch.manual_seed(0)
    rows = torch.randn(25, 112).repeat(4, 1)
    assert text(layer(rows)) != "trained"
    assert text(layer(torch.randn(1, 112) + 0.3 * torch.randn(100, 112))) != "trained"


def test_a_sinusoidal_table_is_recognized() -> None:
    angles = torch.arange(200.0)[:, None] / 10000 ** (torch.arange(0, 64, 2) / 64)
    table = torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
    assert text(layer(table, "embedding")) == "sinusoidal"


def named(changes: dict[str, object], kind: str = "linear") -> str | None:
    """Return the scheme of a synthetic weight."""
    one = made_up("fc", 0, kind=kind, weight=changes)
    assert one.weight is not None
    found = plain_scheme(one, one.weight)
    return found.text if found is not None else None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"abs_max": 0.0, "constant": True}, "zeros"),
        ({"constant": True, "mean": 1.0}, "ones"),
        ({"constant": True, "mean": 0.12345}, "constant 0.123"),
        ({"shape": (1,), "mean": 0.5, "rms": 0.5}, "constant 0.5"),
        ({"shape": (1,), "mean": 0.5, "rms": 0.6}, None),
        ({"shape": (2,), "mean": 0.5, "rms": 0.5}, None),
        ({"identity": True}, "identity"),
        ({"identity": True, "orthogonal": True}, "identity"),
        ({"orthogonal": True, "rms": 96**-0.5}, "orthogonal"),
        ({"orthogonal": True, "rms": 1.004 * 96**-0.5}, "orthogonal"),
        ({"orthogonal": True, "rms": 1.006 * 96**-0.5}, "orthogonal gain 1.01"),
        ({"orthogonal": True, "shape": (24, 96), "rms": 2 * 96**-0.5}, "orthogonal gain 2"),
        ({"orthogonal": True, "shape": (96, 4, 3, 3), "rms": 2 * 96**-0.5}, "orthogonal gain 2"),
        ({"spectral_edge": 1.15}, None),
        ({"spectral_edge": 1.16}, "trained"),
        ({"spectral_edge": 2.0, "duplicate_rows": 0.01}, "unknown"),
        ({"spectral_edge": 2.0, "row_cosine": 0.51}, "unknown"),
        ({"spectral_edge": 2.0, "row_cosine": 0.5}, "trained"),
        ({"spectral_edge": 2.0, "zero_share": 0.51}, "unknown"),
        ({"spectral_edge": 2.0, "zero_share": 0.5}, "trained"),
    ],
    ids=str,
)
def test_a_structure_is_recognized(changes: dict[str, object], expected: str | None) -> None:
    assert named(changes) == expected


SINES = {"spectral_edge": 2.0, "rms": 0.5**0.5, "abs_max": 1.0}


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("embedding", {}, "sinusoidal"),
        ("other", {}, "sinusoidal"),
        ("linear", {}, "trained"),
        ("embedding", {"rms": 0.71}, "trained"),
        ("embedding", {"abs_max": 0.99}, "trained"),
        ("embedding", {"abs_max": 1.01}, "trained"),
        ("embedding", {"spectral_edge": 1.0}, None),
        ("norm", {"rms": 2.0}, "unknown"),
    ],
)
def test_a_sinusoidal_table_is_recognized_by_its_scale(
    kind: str, changes: dict[str, object], expected: str | None
) -> None:
    assert named({**SINES, **changes}, kind) == expected
