"""A snapshot finds everything that its roots hold, by name; what it restores is in tests/hostile/test_restoring.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.call import Call
from inithealth.record.sandbox.snapshot import Snapshot, named


def test_several_roots_are_restored() -> None:
    model, batch = nn.Linear(2, 2), Call({"x": torch.zeros(2)})
    snapshot = Snapshot({"model": model, "batch": batch})
    model.bias.data.fill_(9)
    batch.args[0]["x"].fill_(9)
    assert snapshot.restore() == []
    assert float(batch.args[0]["x"].sum()) == 0
    assert not bool((model.bias == 9).any())


def test_known_objects_are_left_out() -> None:
    tensor = torch.zeros(2)
    snapshot = Snapshot({"held": [tensor]}, known=[tensor])
    tensor.fill_(1)
    snapshot.restore()
    assert tensor.tolist() == [1, 1]


def test_it_can_be_restored_again() -> None:
    held = [torch.zeros(2)]
    snapshot = Snapshot({"held": held})
    for _ in range(2):
        held[0].resize_(5).fill_(1)
        held.append(1)  # type: ignore[arg-type]
        assert snapshot.restore() == []
        assert [each.tolist() for each in held] == [[0, 0]]


def test_the_model_gets_one_copy_of_an_iterator_that_it_holds_twice() -> None:
    original = iter([1, 2])
    held: list[Any] = [original, {"again": original}]
    snapshot = Snapshot({"held": held})
    assert held[0] is held[1]["again"]
    assert held[0] is not original
    assert list(held[0]) == [1, 2]
    snapshot.restore()
    assert held == [original, {"again": original}]
    assert list(original) == [1, 2]


def test_failures_have_the_name_of_the_object() -> None:
    class Closing:
        def __init__(self) -> None:
            import io

            self.files = {"log": [io.StringIO("a")]}

    held = Closing()
    snapshot = Snapshot({"model": held})
    held.files["log"][0].close()
    [(name, error)] = snapshot.restore()
    assert name == "model.files['log'][0]"
    assert isinstance(error, ValueError)


def test_names_are_those_of_the_attributes() -> None:
    path = ((((((), "model"), "._modules"), "['net']"), "._buffers"), "['table']")
    assert named(path) == "model.net.table"


def test_deep_and_looped_structures() -> None:
    deep: list[Any] = [torch.zeros(1)]
    bottom = deep[0]
    for _ in range(20_000):
        deep = [deep]
    deep.append(deep)
    snapshot = Snapshot({"held": deep})
    bottom.fill_(1)
    snapshot.restore()
    assert float(bottom) == 0


def test_a_tensor_that_cannot_be_restored_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tensor: Any) -> Any:
        raise RuntimeError("not even detached")

    monkeypatch.setattr("inithealth.record.sandbox.snapshot.restorer", broken)
    with pytest.raises(TypeError, match=r"model\.weight is a tensor that cannot be restored \(not even detached\)"):
        Snapshot({"model": nn.Linear(2, 2, bias=False)})
