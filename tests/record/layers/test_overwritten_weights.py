"""Writes to a weight that every call recomputes."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from inithealth.record.layers.overwritten_weights import lost_writes


def normed() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch recommends its parametrization, which stores no tensor
        return nn.utils.weight_norm(nn.Conv1d(4, 6, 3))


def test_writes_after_weight_norm_are_found_until_the_first_call() -> None:
    model = nn.Sequential(normed(), nn.ReLU(), normed())
    model[2].weight.data.normal_(0.0, 0.01)
    written = float(model[2].weight.detach().std())
    found = lost_writes(model, dict(model.named_parameters()))
    assert list(found) == ["2.weight_v"]
    assert found["2.weight_v"] == pytest.approx(written)
    model[2](torch.randn(2, 4, 9))
    assert lost_writes(model, dict(model.named_parameters())) == {}


def test_unchanged_and_plain_layers_have_no_lost_writes() -> None:
    model = nn.Sequential(normed(), nn.Conv1d(6, 6, 3))
    model[1].weight.data.normal_(0.0, 0.01)
    assert lost_writes(model, dict(model.named_parameters())) == {}


def test_a_changed_magnitude_is_no_write() -> None:
    """As in DINO's head, whose magnitudes are filled with ones and frozen."""
    model = normed()
    model.weight_g.data.fill_(1.0)
    assert lost_writes(model, dict(model.named_parameters())) == {}


def test_a_copied_direction_is_no_write() -> None:
    """A teacher that loads the student's weights still stores its own first product."""
    student, teacher = normed(), normed()
    teacher.load_state_dict(student.state_dict())
    assert lost_writes(teacher, dict(teacher.named_parameters())) == {}
