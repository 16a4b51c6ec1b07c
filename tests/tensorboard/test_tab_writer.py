"""The events of the plugin's tab: their size is bounded."""

from __future__ import annotations

import json
from typing import Any

from inithealth.page.step_values import size
from inithealth.tensorboard.tab_tags import FIRST_STEP, STATE, STEPS, STRUCTURE
from inithealth.tensorboard.tab_writer import TabWriter

MOST = 50_000_000


def run(layers: int, steps: int, state: dict[str, Any] | None = None) -> list[tuple[str, int, Any]]:
    """Return tag, step and tensor of all events."""
    written: list[tuple[str, int, Any]] = []
    writer = TabWriter(lambda summary, step: written.extend((v.tag, step, v.tensor) for v in summary.value))
    writer.started({"model": "Net"}, 0, bytes(size(layers)))
    for step in range(steps):
        if state is not None:
            writer.state({**state, "step": step}, step)
        writer.valued(step, bytes(size(layers)))
    return written


def test_the_structure_and_the_first_step_are_written_once() -> None:
    written = run(3, 4)
    assert [tag for tag, _, _ in written] == [STRUCTURE, FIRST_STEP, *[STEPS] * 4]
    assert [step for tag, step, _ in written if tag == STEPS] == [0, 1, 2, 3]
    [tensor] = [tensor for tag, _, tensor in written if tag == FIRST_STEP]
    assert [dim.size for dim in tensor.tensor_shape.dim] == [8, 3]
    assert len(tensor.tensor_content) == 32 * 3


def test_a_run_of_ten_thousand_layers_has_at_most_50_mb_and_says_which_steps_are_missing() -> None:
    written = run(10_000, 1000)
    assert sum(tensor.ByteSize() for _, _, tensor in written) < MOST
    thinned = [json.loads(tensor.string_val[0])["thinned"] for tag, _, tensor in written if tag == STATE]
    assert thinned[0] == "every 8th recorded step after step 61 is written"


def test_a_small_network_has_at_most_4000_steps() -> None:
    steps = [step for tag, step, _ in run(1, 20_000) if tag == STEPS]
    assert steps[:2000] == list(range(2000))
    assert len(steps) < 4000


def test_findings_that_change_all_the_time_are_left_out_when_their_bytes_are_used_up() -> None:
    written = run(1, 400, {"healthy": False, "findings": ["x" * 50_000]})
    states = [tensor for tag, _, tensor in written if tag == STATE]
    assert sum(tensor.ByteSize() for tensor in states) < 10_000_000
    last = json.loads(states[-1].string_val[0])
    assert (last["healthy"], last["findings"], last["lastStep"]) == (False, [], 399)
