"""Turns of several threads share random state, wait for each other where they share objects, and are repeated alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

from inithealth.record.sandbox.turns import in_turn, rewinder, shared_objects, turn


def test_random_state_is_restored_on_exit() -> None:
    before = torch.get_rng_state()
    with turn() as mine:
        first = torch.rand(2)
        mine.rewind()
        assert torch.equal(torch.rand(2), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not mine.disturbed


def test_outside_of_a_turn_the_state_of_now_is_restored() -> None:
    rewind = rewinder()
    first = torch.rand(2)
    rewind()
    assert torch.equal(torch.rand(2), first)


def both(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.submit(first), threads.submit(second)
        return one.result(30), other.result(30)


@pytest.mark.parametrize("draws", [True, False])
def test_a_turn_is_repeated_if_another_draws_at_the_same_time(draws: bool) -> None:
    barrier, runs = threading.Barrier(2, timeout=5), {"drawing": 0, "other": 0}

    def run(name: str) -> torch.Tensor:
        runs[name] += 1
        if runs[name] == 1:
            barrier.wait()
        drawn = torch.rand(1) if draws and name == "drawing" else torch.zeros(1)
        if runs[name] == 1:
            barrier.wait()
        return drawn

    expected = in_turn(lambda: torch.rand(1)) if draws else torch.zeros(1)
    found, _ = both(lambda: in_turn(lambda: run("drawing")), lambda: in_turn(lambda: run("other")))
    assert torch.equal(found, expected)
    assert max(runs.values()) == (2 if draws else 1)


def test_turns_with_the_same_object_wait_for_each_other() -> None:
    inside, order = threading.Event(), list[str]()

    def first() -> None:
        with turn({1, 2}):
            inside.set()
            order.append("first begins")
            threading.Event().wait(0.2)
            order.append("first ends")

    def second() -> None:
        inside.wait(5)
        with turn({2, 3}):
            order.append("second")

    both(first, second)
    assert order == ["first begins", "first ends", "second"]


def test_a_turn_in_a_turn_does_not_wait_and_restores_its_own_state() -> None:
    with turn({1}):
        torch.rand(1)
        between = torch.get_rng_state()
        with turn({1}, alone=True) as inner:
            torch.rand(1)
            inner.rewind()
            assert torch.equal(torch.get_rng_state(), between)
            torch.rand(1)
        assert torch.equal(torch.get_rng_state(), between)


def test_an_error_ends_the_turn() -> None:
    with pytest.raises(KeyError), turn({1}):
        raise KeyError
    assert both(lambda: in_turn(lambda: 1, {1}), lambda: in_turn(lambda: 2, {1})) == (1, 2)


def test_a_turn_ends_if_random_state_cannot_be_read() -> None:
    def broken() -> torch.Tensor:
        raise ValueError("broken")

    def ended() -> None:
        with turn({1}) as mine:
            _, write, state = mine.random_state._states[0]
            mine.random_state._states[0] = (broken, write, state)

    with pytest.raises(ValueError, match="broken"):
        ended()
    assert both(lambda: in_turn(lambda: 1, {1}), lambda: in_turn(lambda: 2, {1})) == (1, 2)


class Plain(nn.Linear):
    pass


class Counting(nn.Linear):
    calls = 0


def test_shared_objects_are_modules_tensors_optimizers_and_classes_with_state() -> None:
    embedding, loss = nn.Embedding(3, 2), nn.CrossEntropyLoss(weight=torch.ones(3))
    one, other = (nn.ModuleList([Plain(2, 2), embedding]), nn.ModuleList([Plain(2, 2)]))
    assert not shared_objects(one, None, ()) & shared_objects(other, None, ())
    assert id(embedding.weight) in shared_objects(one, None, ())
    assert shared_objects(one, loss, ()) & shared_objects(other, loss, ()) == {id(loss.weight)}
    assert shared_objects(Counting(2, 2), None, ()) & shared_objects(Counting(2, 2), None, ()) == {id(Counting)}
    optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
    assert id(optimizer) in shared_objects(one, None, [optimizer])
