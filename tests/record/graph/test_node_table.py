"""Every name and every saved operand of the node table exists in torch or in a named library."""

from __future__ import annotations

import importlib
import re
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph import node_table
from inithealth.record.graph.node_table import NODES

LIBRARIES = {"torchvision": "GeneratedBackwardFor_torchvision_"}
# The nodes generated from torch's derivatives, and those written in C++: torch registers a class for each.
REGISTERED = [name for name in dir(torch._C._functions) if not name.startswith("__")]
CALLED: dict[str, list[str]] = {}
for registered in REGISTERED:
    CALLED.setdefault(re.sub(r"Backward\d+$", "", registered), []).append(registered)


@pytest.mark.parametrize("name", sorted(NODES.keys() | vocab.ACTIVATIONS | vocab.SOFTMAX))
def test_torch_has_a_node_of_that_name(name: str) -> None:
    origin = NODES[name].origin if name in NODES else ""
    if origin in LIBRARIES:
        assert name.startswith(LIBRARIES[origin])
    elif origin:
        function = getattr(importlib.import_module(origin), name)
        assert issubclass(function, torch.autograd.Function)
    elif name == "MiopenCtcLoss" and not hasattr(torch, "miopen_ctc_loss"):
        pytest.skip("this version of torch has no miopen_ctc_loss")
    else:
        assert name in CALLED


def test_no_name_is_in_two_rows() -> None:
    counts = Counter(name for row in node_table._ROWS for name in row)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", [name for name, node in NODES.items() if any(node.saved)])
def test_a_node_saves_its_operands_under_these_names(name: str) -> None:
    expected = {f"_saved_{each}" for each in NODES[name].saved if each}
    assert any(expected <= set(dir(getattr(torch._C._functions, variant))) for variant in CALLED[name])


@pytest.mark.parametrize("name", [name for name in CALLED if not vocab.known(name)])
def test_a_name_outside_the_table_is_unknown(name: str) -> None:
    assert vocab.node(name).kind == "unknown"


def test_more_than_a_third_of_torchs_nodes_are_known() -> None:
    """Without backward passes and copies of views, which are separate nodes in torch's list."""
    forward = [name for name in CALLED if "Backward" not in name]
    assert sum(vocab.known(name) for name in forward) > len(forward) / 3


ROLES = {
    "Addmm": (lambda x, w, b: F.linear(x, w, b), ("bias", "factor", "factor")),
    "Convolution": (lambda x, w, b: F.conv2d(x[None, :, :, None], w[..., None, None], b), ("factor", "factor", "bias")),
    "NativeLayerNorm": (lambda x, w, b: F.layer_norm(x, (3,), w[0], b), ("input", "weight", "bias")),
    "Addcmul": (lambda x, w, b: torch.addcmul(x, w, b), ("input", "scale", "scale")),
    "GridSampler2D": (
        lambda x, w, b: F.grid_sample(x[None, None], w[None, None, :, :2], align_corners=False),
        ("input", "place"),
    ),
}


@pytest.mark.parametrize("name", ROLES)
def test_a_node_has_an_edge_for_each_operand(name: str) -> None:
    call, roles = ROLES[name]
    x: Tensor = torch.randn(3, 3, requires_grad=True)
    weight, bias = torch.randn(3, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    node = call(x, weight, bias).grad_fn
    while node.name() not in CALLED[name]:
        node = node.next_functions[0][0]
    assert len(node.next_functions) == len(roles)
    assert NODES[name].operands == roles


def test_a_backward_node_is_known_by_its_forward_node() -> None:
    assert vocab.known("TanhBackward")
    assert not vocab.known("MineBackward")
