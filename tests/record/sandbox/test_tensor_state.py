"""The form of a tensor is restored; all kinds are in tests/hostile/situations.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.sandbox.tensor_state import components, is_strided, restorer
from tests.hostile.situations import TENSORS

FORMS = ["transposed in place", "another memory", "integers instead", "requires_grad", "a gradient", "a hook"]


def form(tensor: Tensor) -> object:
    memory, hooks = tensor.untyped_storage()._cdata, bool(tensor._backward_hooks)
    return tensor.dtype, tensor.shape, tensor.stride(), memory, tensor.requires_grad, tensor.grad, hooks


@pytest.mark.parametrize("name", FORMS)
def test_the_form_is_restored(name: str) -> None:
    make, change = TENSORS[name]
    tensor = make()
    before, restore = form(tensor), restorer(tensor)
    change(tensor)
    assert str(form(tensor)) != str(before)
    with torch.no_grad():
        restore()
    assert form(tensor) == before


def test_a_version_that_a_graph_has_saved_is_restored() -> None:
    weight = nn.Parameter(torch.ones(2))
    loss = (weight * weight).sum()
    restore = restorer(weight)
    with torch.no_grad():
        weight.mul_(1)
        restore()
    loss.backward()
    assert weight.grad is not None


def test_the_components_hold_the_values() -> None:
    sparse = torch.eye(2).to_sparse()
    assert [name for name, _ in components(sparse)] == ["indices", "values"]
    assert [name for name, _ in components(torch.eye(2))] == []
    assert is_strided(torch.eye(2))


@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta state:UserWarning")
def test_the_components_of_compressed_tensors() -> None:
    names = [name for name, _ in components(torch.eye(2).to_sparse_csc())]
    assert names == ["ccol_indices", "row_indices", "values"]
