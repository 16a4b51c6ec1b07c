"""The forward pass as one plain graph: no dropout or checkpoints, with frozen parameters, and all restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import checkpoint as checkpointing
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from inithealth.record.graph.order import order
from inithealth.record.sandbox.eager_mode import NoDropout, whole_graph
from inithealth.record.sandbox.restore import undisturbed

X = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(2))


class Functional(nn.Module):
    """A layer, followed by a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.layer(x))


class DropPath(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand(len(x), 1, 1) > 0.5) if self.training else x


class Attended(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.attention(x, x, x)[0]
        return output


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 8, num_layers=2, dropout=0.5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.lstm(x)[0]
        return output


def attended(x: Tensor) -> Tensor:
    """Return multi-head attention by its function, with all arguments by position."""
    weights = torch.ones(24, 8) / 8, torch.zeros(24), None, None, False, 0.5, torch.eye(8), torch.zeros(8)
    output: Tensor = F.multi_head_attention_forward(x, x, x, 8, 2, *weights)[0]
    return output


DROPPING: dict[str, Callable[[], nn.Module]] = {
    "nn.Dropout": lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)),
    "nn.Dropout1d": lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout1d(0.5)),
    "nn.AlphaDropout": lambda: nn.Sequential(nn.Linear(8, 8), nn.AlphaDropout(0.5)),
    "F.dropout": lambda: Functional(lambda x: F.dropout(x, 0.5)),
    "F.dropout in place": lambda: Functional(lambda x: F.dropout(x, 0.5, True, True)),
    "F.dropout by name": lambda: Functional(lambda x: F.dropout(input=x, p=0.5)),
    "F.dropout1d": lambda: Functional(lambda x: F.dropout1d(x, 0.5)),
    "torch.dropout": lambda: Functional(lambda x: torch.dropout(x, 0.5, True)),
    "F.feature_alpha_dropout": lambda: Functional(lambda x: F.feature_alpha_dropout(x, 0.5, True)),
    "attention by place": lambda: Functional(lambda x: F.scaled_dot_product_attention(x, x, x, None, 0.5)),
    "attention by name": lambda: Functional(lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5)),
    "multi-head attention by its function": lambda: Functional(attended),
    "nn.MultiheadAttention": Attended,
    "nn.LSTM": Recurrent,
    "nn.TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True),
    "a module called DropPath": lambda: nn.Sequential(nn.Linear(8, 8), DropPath()),
}


@contextmanager
def plain(model: nn.Module, *, reveal_frozen: bool = False) -> Iterator[None]:
    with undisturbed(model), whole_graph(model, reveal_frozen=reveal_frozen), NoDropout():
        yield


@pytest.mark.parametrize("name", DROPPING)
def test_no_dropout_is_applied(name: str) -> None:
    model = DROPPING[name]()
    assert not torch.equal(model(X), model(X)), "this way of dropping drops nothing"
    with plain(model):
        found, again = model(X), model(X)
    torch.manual_seed(5)
    assert not torch.equal(model(X), model(X)), "dropping is not back"
    assert torch.equal(found, again)


@pytest.mark.parametrize("name", [name for name in DROPPING if name.startswith(("nn.", "a module"))])
def test_without_dropout_training_and_evaluation_are_equal(name: str) -> None:
    model = DROPPING[name]()
    with plain(model):
        assert model.training
        found = model(X)
    assert torch.allclose(found, model.eval()(X), atol=1e-6)


def test_norms_are_in_training_mode() -> None:
    model = nn.Sequential(nn.BatchNorm1d(6)).eval()
    with plain(model):
        assert float(model(3 * X + 5).detach().mean().abs()) < 1e-5
    assert not model[0].training


class Checkpointed(nn.Module):
    """Two blocks whose activations are recomputed in the backward pass."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2))
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x) if self.reentrant is None else checkpoint(block, x, use_reentrant=self.reentrant)
        return x


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")
def test_a_checkpointed_block_runs_once(reentrant: bool) -> None:
    model, twin = Checkpointed(reentrant), Checkpointed(None)
    twin.load_state_dict(model.state_dict())
    calls: list[str] = []
    model.blocks[0].register_forward_hook(lambda *_: calls.append("block"))
    with plain(model):
        output = model(X)
        gradients = torch.autograd.grad(output.sum(), list(model.parameters()))
    assert calls == ["block"]
    wanted = torch.autograd.grad(twin(X).sum(), list(twin.parameters()))
    assert all(torch.equal(found, other) for found, other in zip(gradients, wanted, strict=True))
    assert order([output.grad_fn]).names == order([twin(X).grad_fn]).names


def test_a_checkpointed_sequence_is_handled() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    with plain(model):
        output = checkpoint_sequential(model, 2, X, use_reentrant=False)
    assert order([output.grad_fn]).names == order([model(X).grad_fn]).names


def test_checkpointing_works_again_afterwards() -> None:
    before = {name: value for name, value in vars(checkpointing).items() if "heckpoint" in name}
    model = Checkpointed(False)
    with pytest.raises(KeyError), plain(model):
        raise KeyError
    assert before == {name: value for name, value in vars(checkpointing).items() if "heckpoint" in name}
    calls: list[str] = []
    model.blocks[0][0].register_forward_hook(lambda *_: calls.append("layer"))
    model(X).sum().backward()
    assert len(calls) == 2


@pytest.mark.parametrize("reveal", [True, False])
def test_frozen_parameters_are_in_the_graph_if_requested(reveal: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model[0].requires_grad_(False)
    with plain(model, reveal_frozen=reveal):
        assert order([model(X).grad_fn]).names.count("AccumulateGrad") == (4 if reveal else 2)
    assert not model[0].weight.requires_grad


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
def test_compiled_modules_run_eagerly() -> None:
    def backend(graph: object, inputs: object) -> None:
        raise AssertionError("compiled")

    model = nn.Sequential(nn.Linear(8, 8), torch.compile(nn.Linear(8, 8), backend=backend))
    with plain(model):
        assert order([model(X).grad_fn]).names.count("AccumulateGrad") == 4
