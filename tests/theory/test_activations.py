"""Every named activation, compared with torch's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inithealth.theory.activations import function_of, names

TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "clamp_min": lambda x: torch.clamp_min(x, 0.0),
    "clamp_max": lambda x: torch.clamp_max(x, 0.0),
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "prelu": lambda x: F.prelu(x, torch.tensor([0.25], dtype=x.dtype)),
    "rrelu": F.rrelu,
    "hardtanh": F.hardtanh,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
    "logsigmoid": F.logsigmoid,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "erf": torch.erf,
    "gelu": F.gelu,
    "tanhshrink": F.tanhshrink,
    "softshrink": F.softshrink,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "sin": torch.sin,
}


@pytest.mark.parametrize("name", names())
def test_a_named_activation_equals_torchs(name: str) -> None:
    x = np.linspace(-40.0, 40.0, 401)
    expected = TORCH[name](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(function_of(name)(x), expected, rtol=1e-6, atol=1e-8)


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        function_of("relo")
