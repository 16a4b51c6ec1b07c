"""The batch: transferred with its containers, named tensors, rejected if it cannot be judged."""

from __future__ import annotations

import math
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader, TensorDataset

import inithealth
from inithealth import Call
from inithealth.record.sandbox.batches import (
    fresh,
    named_tensors,
    refuse_batch,
    refuse_values,
    revealed,
    trainable_model,
    transferred,
)

Pair = namedtuple("Pair", ["left", "right"])


@dataclass(frozen=True)
class Sample:
    image: Tensor
    label: Tensor
    name: str = "a"


def doubled(value: Any) -> Any:
    return transferred(value, lambda tensor: tensor * 2)


def test_containers_keep_their_type_and_other_objects_are_unchanged() -> None:
    one, thing = torch.ones(1), object()
    assert doubled((one, [one], {"a": one}, "text", 3, None, thing)) == (2, [2], {"a": 2}, "text", 3, None, thing)
    assert type(doubled(Pair(one, (one,)))) is Pair
    assert doubled(Pair(one, 4)).right == 4
    ordered = doubled(OrderedDict(a=one))
    assert type(ordered) is OrderedDict
    assert ordered["a"] == 2
    assert type(doubled(UserDict(a=one))) is UserDict
    call = doubled(Call(one, mask=one))
    assert (call.args[0], call.kwargs["mask"]) == (2, 2)
    sample = doubled(Sample(one, one))
    assert (sample.image, sample.label, sample.name) == (2, 2, "a")


def test_the_callers_objects_are_not_changed() -> None:
    one = torch.ones(1)
    held: list[Any] = [{"a": one}, OrderedDict(b=one), Sample(one, one)]
    changed = doubled(held)
    assert held[0]["a"] is one
    assert held[1]["b"] is one
    assert held[2].image is one
    assert changed is not held


def test_only_the_data_of_a_packed_sequence_changes() -> None:
    packed = pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    changed = doubled(packed)
    assert type(changed) is PackedSequence
    assert torch.equal(changed.data, packed.data * 2)
    assert torch.equal(changed.batch_sizes, packed.batch_sizes)


def test_tensors_are_named_by_their_position() -> None:
    x, label = torch.ones(2), torch.ones(2, dtype=torch.int64)
    batch = {"image": x, "pair": (x, [label, x]), "named": Pair(x, label), "sample": Sample(x, label)}
    assert [name for name, _ in named_tensors(batch)] == [
        "batch['image']",
        "batch['pair'][0]",
        "batch['pair'][1][1]",
        "batch['named'].left",
        "batch['sample'].image",
    ]
    assert [name for name, _ in named_tensors(x)] == ["batch"]
    assert [name for name, _ in named_tensors(Call(x))] == ["batch"]
    assert [name for name, _ in named_tensors(Call(x, x, mask=x))] == ["batch[0]", "batch[1]", "batch['mask']"]


def test_revealed_inputs_are_leaves_that_the_model_may_change_in_place() -> None:
    x, label, mine = torch.ones(2), torch.ones(2, dtype=torch.int64), torch.ones(2, requires_grad=True)
    batch, leaves = revealed((x, label, mine))
    assert list(leaves) == ["batch[0]"]
    assert batch[1] is label
    assert batch[2] is mine
    batch[0].mul_(3).sum().backward()
    assert leaves["batch[0]"].grad is not None
    assert leaves["batch[0]"].grad.tolist() == [3, 3]
    assert x.tolist() == [1, 1]
    assert x.grad is None


def test_a_fresh_batch_has_copies_that_keep_what_tensors_share() -> None:
    x, leaf = torch.ones(2), torch.ones(2, requires_grad=True)
    copies: dict[int, Tensor] = {}
    batch = fresh({"x": x, "again": [x], "leaf": leaf, "other": "text"}, copies)
    assert batch["again"][0] is batch["x"]
    assert batch["x"] is not x
    assert (batch["leaf"].is_leaf, batch["leaf"].requires_grad, batch["other"]) == (True, True, "text")
    assert fresh(x, copies) is batch["x"]
    batch["x"].fill_(2)
    assert x.tolist() == [1, 1]


def test_the_same_tensor_twice_stays_one_tensor() -> None:
    x = torch.ones(3)
    batch, leaves = revealed((x, x))
    assert batch[0] is batch[1]
    (batch[0] * batch[1]).sum().backward()
    assert [float(leaf.grad.sum()) for leaf in leaves.values() if leaf.grad is not None] == [6]
    assert list(leaves) == ["batch[0]"]


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(2)


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (lambda: "text", TypeError, "not str"),
        (lambda: nn.Linear, TypeError, "Linear"),
        (lambda: nn.ReLU(), ValueError, "ReLU has no parameters"),
        (Lazy, ValueError, r"layer\.weight.*run one batch first"),
        (lambda: nn.Linear(2, 2, device="meta"), ValueError, "weight is on the meta device"),
        (lambda: nn.Linear(2, 2).requires_grad_(False), ValueError, "every parameter is frozen"),
    ],
)
def test_a_model_that_cannot_be_judged_is_rejected(model: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        trainable_model(model())


def test_an_initialized_lazy_module_is_judged() -> None:
    model = Lazy()
    model.layer(torch.ones(1, 3))
    assert trainable_model(model) is model


@pytest.mark.parametrize("batch", [None, (), [], {}], ids=repr)
def test_no_batch_is_rejected(batch: Any) -> None:
    with pytest.raises(ValueError, match="no batch"):
        refuse_batch(batch)


def test_a_loader_is_not_a_batch() -> None:
    data = TensorDataset(torch.ones(4, 2))
    for maker in (data, DataLoader(data), iter(DataLoader(data))):
        with pytest.raises(TypeError, match="not one batch"):
            refuse_batch(maker)
    refuse_batch(torch.ones(2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_values_are_named_and_counted(bad: float) -> None:
    image = torch.ones(4, 2)
    image[1, 1] = image[2, 0] = bad
    with pytest.raises(ValueError, match=r"batch\['x'\]\[1\] has 2 NaN or infinite of 8 elements"):
        refuse_values({"x": (torch.ones(1), image)})


def test_an_empty_tensor_is_named() -> None:
    with pytest.raises(ValueError, match=r"batch\[1\] is empty \(shape \(0, 2\)\)"):
        refuse_values((torch.ones(1), torch.empty(0, 2)))
    refuse_values((torch.ones(1), torch.empty(0, dtype=torch.int64)))  # an empty label tensor may be correct


@pytest.mark.parametrize("batch", [torch.full((3, 2), math.nan), torch.empty(0, 2), None])
def test_check_rejects_the_same_batches(batch: Any) -> None:
    with pytest.raises(ValueError, match="batch"):
        inithealth.check(nn.Linear(2, 2), batch)


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        output: Tensor = self.attention(x, x, x, attn_mask=mask)[0]
        return output


@pytest.mark.parametrize("low", [-math.inf, torch.finfo(torch.float32).min, -1e9])
def test_an_additive_mask_is_valid_and_gets_no_gradient(low: float) -> None:
    x, mask = torch.randn(2, 5, 4), torch.full((5, 5), low).triu(1)
    assert list(revealed((x, mask))[1]) == ["batch[0]"]
    report = inithealth.check(Masked(), (x, mask))
    assert not report.findings
    assert not report.not_measured


def test_minus_infinity_among_numbers_is_a_broken_input() -> None:
    with pytest.raises(ValueError, match="2 NaN or infinite"):
        refuse_values(torch.tensor([0.0, 1.0, 2.0, 0.0]).log())
