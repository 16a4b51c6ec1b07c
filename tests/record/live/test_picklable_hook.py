"""A model that is copied or saved during a watched step has no hooks of this package."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import inithealth

INPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


def saved(model: nn.Module) -> nn.Module:
    data = io.BytesIO()
    torch.save(model, data)
    assert b"inithealth" not in data.getvalue()  # loading does not need this package
    data.seek(0)
    loaded: nn.Module = torch.load(data, weights_only=False)
    return loaded


def pickled(model: nn.Module) -> nn.Module:
    data = pickle.dumps(model)
    assert b"inithealth" not in data
    loaded: nn.Module = pickle.loads(data)
    return loaded


@pytest.mark.parametrize("again", [copy.deepcopy, pickled, saved], ids=lambda way: way.__name__)
def test_a_copy_works_and_is_not_measured(again: Callable[[nn.Module], Any]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    plain = model(INPUTS).detach()
    with inithealth.watch(model) as monitor:
        loss = model(INPUTS).square().mean()
        again(model)(INPUTS * 100)
        loss.backward()
        monitor.step(loss)
    outputs = {m.layer: m.output for m in monitor.recording.steps[0].layers}
    assert outputs["2"] is not None
    assert outputs["2"].rms == pytest.approx(float(plain.square().mean().sqrt()), rel=1e-5)


@pytest.mark.parametrize("again", [copy.deepcopy, pickled])
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_compiled_tap_is_not_copied(again: Callable[[nn.Module], Any]) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    model[0].compile(backend="aot_eager")
    with inithealth.watch(model) as monitor:
        model(INPUTS).sum().backward()
        twin = again(model[0])
        assert torch.equal(twin(INPUTS), model[0](INPUTS))
        assert monitor.watching
