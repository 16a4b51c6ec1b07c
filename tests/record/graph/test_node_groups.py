"""Torch's node names match those of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.order import order
from tests.record.graph.small_nets import (
    leaf,
)

# The node name of each operation; a torch version that renames one fails here.
CALLED: dict[str, Callable[[Tensor], Tensor]] = {
    "Relu": F.relu,
    "Gelu": F.gelu,
    "Silu": F.silu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "LeakyRelu": F.leaky_relu,
    "Elu": F.selu,
    "Hardswish": F.hardswish,
    "Hardsigmoid": F.hardsigmoid,
    "Hardtanh": F.relu6,
    "Mish": F.mish,
    "Softplus": F.softplus,
    "LogSigmoid": F.logsigmoid,
    "Threshold": lambda x: F.threshold(x, 0.1, 0.0),
    "Softmax": lambda x: x.softmax(-1),
    "ClampMin": lambda x: x.clamp_min(0),
    "Clamp": lambda x: x.clamp(0, 1),
    "Sin": torch.sin,
    "Glu": F.glu,
    "NativeBatchNorm": lambda x: F.batch_norm(x, None, None, training=True),
    "NativeLayerNorm": lambda x: F.layer_norm(x, (4,)),
    "NativeGroupNorm": lambda x: F.group_norm(x, 2),
    "LogSoftmax": lambda x: x.log_softmax(-1),
    "NllLoss": lambda x: F.nll_loss(x, torch.zeros(2, dtype=torch.int64)),
    "MseLoss": lambda x: F.mse_loss(x, torch.ones(2, 4)),
    "SmoothL1Loss": lambda x: F.smooth_l1_loss(x, torch.ones(2, 4)),
    "HuberLoss": lambda x: F.huber_loss(x, torch.ones(2, 4)),
    "BinaryCrossEntropyWithLogits": lambda x: F.binary_cross_entropy_with_logits(x, torch.ones(2, 4)),
    "BinaryCrossEntropy": lambda x: F.binary_cross_entropy(x.detach().sigmoid().requires_grad_(), torch.ones(2, 4)),
    "Addmm": lambda x: F.linear(x, leaf(3, 4), leaf(3)),
    "Mm": lambda x: x @ leaf(4, 3),
    "Mv": lambda x: x @ leaf(4),
    "Bmm": lambda x: torch.bmm(x[None], leaf(1, 4, 3)),
    "Convolution": lambda x: F.conv1d(x[None], leaf(3, 2, 1)),
    "Embedding": lambda x: F.embedding(torch.tensor([1]), x),
    "Trilinear": lambda x: F.bilinear(x, x, leaf(3, 4, 4)),
    "ScaledDotProductFlashAttentionForCpu": lambda x: F.scaled_dot_product_attention(*[x[None, None]] * 3),
    "Cat": lambda x: torch.cat([x, x]),
    "Permute": lambda x: x.T,
    "T": lambda x: x.t(),
    "Transpose": lambda x: x.mT,
    "Where": lambda x: torch.where(x > 0, x, 0.0),
    "NativeDropout": lambda x: torch.native_dropout(x, 0.5, True)[0],
}


@pytest.mark.parametrize("name", CALLED)
def test_torchs_node_names_match_the_vocabulary(name: str) -> None:
    assert name in order([CALLED[name](leaf(2, 4)).grad_fn]).names
    assert vocab.known(name)


def test_the_node_name_of_a_fused_lstm_matches_the_vocabulary() -> None:
    output = nn.LSTM(3, 4, batch_first=True)(torch.randn(2, 5, 3))[0]
    assert "MkldnnRnnLayer" in order([output.grad_fn]).names


def test_the_private_attribute_with_the_shapes_exists() -> None:
    """``_input_metadata`` is private in torch; without it no fan is known."""
    node = F.linear(leaf(2, 4), leaf(3, 4)).grad_fn
    assert node is not None
    assert [tuple(output.shape) for output in node._input_metadata] == [(2, 3)]


def test_the_leaf_of_a_graph_is_the_parameter() -> None:
    """Names are found by the ``.variable`` of a node."""
    weight = leaf(3, 4)
    (accumulate, _), *_ = F.linear(torch.ones(2, 4), weight).grad_fn.next_functions[1][0].next_functions  # type: ignore[union-attr]
    assert accumulate.variable is weight  # type: ignore[union-attr]
