"""Which steps are written."""

from __future__ import annotations

from inithealth.tensorboard.write_schedule import WriteSchedule


def written(steps: int, most: int) -> tuple[list[int], str | None]:
    schedule = WriteSchedule(step_bytes=10, most_bytes=10 * most)
    return [step for step in range(steps) if schedule.writes(step)], schedule.thinned


def test_a_short_run_is_written_completely() -> None:
    assert written(500, 1000) == (list(range(500)), None)


def test_a_long_run_is_thinned_more_and_more_and_says_so() -> None:
    steps, thinned = written(1000, 100)
    assert steps[:50] == list(range(50))
    assert steps[50:75] == list(range(57, 250, 8))
    assert thinned == "every 64th recorded step after step 249 is written"


def test_a_run_of_any_length_stays_within_its_bytes() -> None:
    for most in (2, 3, 17, 100):
        steps, thinned = written(200_000, most)
        assert len(steps) <= most
        assert "limit" in (thinned or "") or len(steps) < most
