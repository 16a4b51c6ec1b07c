"""The steps that a report keeps."""

from __future__ import annotations

from inithealth.page.kept_values import KeptValues
from inithealth.page.step_values import STATISTICS, columns, packed, size


def block(number: int, layers: int = 1) -> bytes:
    return packed({name: [float(number)] * layers for name in STATISTICS})


def kept(steps: int, most_steps: int) -> KeptValues:
    values = KeptValues(1, most_steps * size(1))
    for step in range(steps):
        values.add(step, block(step))
    return values


def test_all_steps_are_kept_while_there_is_room() -> None:
    found = kept(50, 50).values
    assert found is not None
    assert found.steps == tuple(range(50))
    assert found.thinned is None


def test_later_steps_are_thinned_and_the_first_and_the_last_ones_stay() -> None:
    for steps in range(51, 1000, 37):
        found = kept(steps, 50).values
        assert found is not None
        assert len(found.steps) <= 50
        assert found.steps[:10] == tuple(range(10))
        assert found.steps[-1] == steps - 1
        gaps = {after - before for before, after in zip(found.steps[10:-1], found.steps[11:-1], strict=False)}
        assert len(gaps) == 1
        assert f"every {gaps.pop()}th later one" in (found.thinned or "")
        assert found.values == columns([block(step) for step in found.steps])


def test_two_steps_of_a_large_network_are_kept() -> None:
    values = KeptValues(20_000)
    for step in range(5):
        values.add(step, block(step, 20_000))
    assert values.values is not None
    assert values.values.steps == (0, 4)


def test_the_last_step_can_be_completed() -> None:
    values = kept(2, 10)
    values.replace_last(block(9))
    assert values.values is not None
    assert values.values.values == columns([block(0), block(9)])
    assert KeptValues(3).values is None
