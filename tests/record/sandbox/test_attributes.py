"""Attributes in dicts, slots and classes are restored."""

from __future__ import annotations

from typing import Any

from inithealth.record.sandbox.attributes import attributes, class_attributes, class_restorer


class Base:
    __slots__ = ("__hidden", "shown")

    def __init__(self) -> None:
        self.shown, self.__hidden = 1, 2

    def hidden(self, *value: int) -> int:
        if value:
            self.__hidden = value[0]
        return self.__hidden


class Both(Base):
    __slots__ = ("__dict__", "late")


def restored(value: Any, change: Any) -> None:
    contents = list(attributes(value))
    change(value)
    for each in contents:
        assert each.restore is not None
        each.restore()


def test_slots_of_all_classes_and_the_dict_are_restored() -> None:
    value = Both()
    value.free = [1]

    def change(value: Both) -> None:
        value.shown, value.late, value.free, value.new = 5, 6, [2], 7
        value.hidden(8)

    held = value.free
    restored(value, change)
    assert (value.shown, value.hidden(), value.free, hasattr(value, "late")) == (1, 2, [1], False)
    assert value.free is held
    assert vars(value) == {"free": [1]}


def test_what_an_object_refers_to_is_found() -> None:
    value = Both()
    value.free = [1]
    found = {key: item for each in attributes(value) for key, item in each.items}
    assert found["free"] is value.free
    assert found["Base.shown"] == 1
    assert list(attributes(3)) == []


def test_the_order_of_attributes_is_restored() -> None:
    class Plain:
        pass

    value = Plain()
    value.a, value.b = 1, 2
    restored(value, lambda v: (v.__dict__.pop("a"), setattr(v, "a", 1)))
    assert list(vars(value)) == ["a", "b"]


def test_attributes_of_a_class_are_restored() -> None:
    class Counter:
        count = 0

    content = class_attributes(Counter)
    Counter.count, Counter.new = 3, 1
    assert content.restore is not None
    content.restore()
    assert (Counter.count, hasattr(Counter, "new")) == (0, False)


def test_the_class_of_an_object_is_restored() -> None:
    class One:
        pass

    class Other:
        pass

    value = One()
    restore = class_restorer(value)
    value.__class__ = Other  # type: ignore[assignment]
    restore()
    assert type(value) is One
