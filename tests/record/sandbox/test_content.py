"""The content of containers is found and restored in place; all kinds are in tests/hostile/situations.py."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np
import pytest

from inithealth.call import Call
from inithealth.record.sandbox.content import content, identical
from tests.hostile.described import described
from tests.hostile.situations import ARRAYS, CONTAINERS, GENERATORS

ITSELF = ["list", "set", "Counter", "bytearray", "order of an OrderedDict", "dict with its own methods"]


@pytest.mark.parametrize("name", ITSELF)
def test_a_container_is_restored_in_place(name: str) -> None:
    make, change = CONTAINERS[name]
    check_restored(make(), change)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_is_restored(name: str) -> None:
    make, change = GENERATORS[name]
    if name != "in a list":
        check_restored(make(), change)


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "numpy of objects"])
@pytest.mark.filterwarnings("ignore:Setting the (strides|shape|dtype) on a NumPy array")
def test_an_array_is_restored(name: str) -> None:
    make, change = ARRAYS[name]
    check_restored(make(), change)


def check_restored(value: Any, change: Any) -> None:
    before, found = described(value), content(value)
    change(value)
    assert described(value) != before
    assert found is not None
    assert found.restore is not None
    found.restore()
    assert described(value) == before


def test_what_a_container_refers_to_is_found_by_key() -> None:
    inner = [1]
    for value, key in (({"k": inner}, "k"), ([0, inner], 1), ((inner,), 0), (Call(k=inner), "k")):
        found = content(value)
        assert found is not None
        assert dict(found.items)[key] is inner


def test_items_can_be_exchanged() -> None:
    for value, key in (({"k": 1}, "k"), ([1], 0)):
        found = content(value)
        assert found is not None
        assert found.exchange is not None
        found.exchange(key, 2)
        assert value[key] == 2  # type: ignore[index]


def test_objects_without_content() -> None:
    assert content(3) is None
    assert content(object()) is None
    for value in (random.SystemRandom(), sys.stdout):
        found = content(value)
        assert found is not None
        assert found.restore is None


def test_a_read_only_array_is_not_copied() -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    found = content(array)
    assert found is not None
    assert found.restore is not None
    array.flags.writeable = True
    found.restore()
    assert not array.flags.writeable


def test_identity_is_compared_and_not_equality() -> None:
    one, other = [1], [1]
    assert identical([one], [one])
    assert not identical([one], [other])
    assert not identical([one], [one, one])
