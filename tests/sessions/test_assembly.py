"""The assembled recording: the recorder's measurements, the session's information, and initialization names."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth.recording import Probation
from inithealth.sessions import assembly
from inithealth.sessions.assembly import Assembly, Training
from inithealth.theory.gains import target_std
from tests.record.reading import read
from tests.sessions.nets import INPUTS, perceptron

TRAINING = Training(optimizer="Adam(lr=0.1)", adaptive=True, probation=Probation(steps=4, settled=True), notes=("so",))


def test_it_has_the_data_of_the_recorder_and_the_session() -> None:
    reading = read(perceptron(), INPUTS)
    found = Assembly(reading.recorder).recording((reading.step,), TRAINING)
    assert (found.optimizer, found.adaptive, found.probation, found.notes) == (
        "Adam(lr=0.1)", True, Probation(steps=4, settled=True), ("so",),
    )  # fmt: skip
    assert (found.model, found.steps) == ("Sequential", (reading.step,))
    assert [layer.name for layer in found.layers] == ["0", "2"]


def test_layers_have_a_scheme_and_matrices_an_expected_std() -> None:
    model = nn.Sequential(nn.Linear(8, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 4))
    torch.manual_seed(0)
    nn.init.kaiming_normal_(model[0].weight, nonlinearity="relu")
    layers = Assembly(read(model, INPUTS).recorder).layers
    assert [layer.scheme is not None and layer.scheme.name for layer in layers] == ["kaiming", "ones", "torch_default"]
    assert [layer.wants for layer in layers] == [target_std(layers[0]), None, target_std(layers[2])]


def test_a_projection_is_reported_as_the_loss() -> None:
    reading = read(perceptron(), INPUTS)
    of = Assembly(reading.recorder)
    assert of.recording((), TRAINING, projected=True).loss.kind == "projection"
    assert of.recording((), TRAINING).loss.kind == reading.recorder.network.loss.kind != "projection"


def test_schemes_are_named_once_until_the_layers_change(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, named = read(perceptron(), INPUTS), []
    real = assembly.with_schemes
    monkeypatch.setattr(assembly, "with_schemes", lambda layers: named.append(1) or real(layers))
    of = Assembly(reading.recorder)
    assert of.layers is of.layers
    assert len(named) == 1


def test_the_statistics_remain_if_naming_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(layers: object) -> None:
        raise RuntimeError("no name")

    monkeypatch.setattr(assembly, "with_schemes", broken)
    reading = read(perceptron(), INPUTS)
    found = Assembly(reading.recorder).recording((reading.step,), TRAINING)
    assert found.layers == reading.recorder.layers
    assert any("RuntimeError: no name" in each for each in found.not_measured)
