"""Of all operations only those are run again that a storage needs."""

from __future__ import annotations

import torch
from torch import Tensor

from inithealth.record.paged.history import History
from inithealth.record.paged.operation import Operation, aten
from inithealth.record.paged.spec import Spec


def write(history: History, tensor: Tensor, *, hides: bool = False, reads: tuple[Tensor, ...] = ()) -> Operation:
    key = history.know(tensor)
    read = frozenset(history.know(each) for each in reads)
    only = frozenset({key})
    operation = Operation(
        aten.zero_.default, (Spec.of(tensor),), reads=read, writes=only, overwrites=only if hides else frozenset()
    )
    history.add(operation)
    return operation


def test_operations_of_other_tensors_and_hidden_writes_are_left_out() -> None:
    history, one, two = History(), torch.empty(3), torch.empty(3)
    write(history, one, hides=True)
    write(history, two)
    second = write(history, one, hides=True)
    third = write(history, one)
    assert history.needed(history.know(one)) == ((second, third), frozenset())


def test_what_was_read_is_needed_as_it_was_then() -> None:
    history, one, two = History(), torch.empty(3), torch.empty(3)
    first = write(history, one, hides=True)
    reading = write(history, two, hides=True, reads=(one,))
    write(history, one)
    assert history.needed(history.know(two)) == ((first, reading), frozenset())


def test_memory_that_is_read_before_all_of_it_is_written() -> None:
    history, one = History(), torch.empty(3)
    key = history.know(one)
    assert history.version(key) == -1
    partly = write(history, one)
    assert history.needed(key) == ((partly,), frozenset({key}))
    assert history.version(key) == 0
