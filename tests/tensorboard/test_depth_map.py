"""Layers x steps, folded so that a single faulty layer stays visible."""

from __future__ import annotations

import math

import pytest

from inithealth.tensorboard.depth_map import MOST_COLUMNS, MOST_ROWS, depth_map, worst
from tests.tensorboard.recordings import changed, layer, plain, relabelled, signal

FORWARD, GRADIENT = "forward", "gradient"


def test_each_cell_is_the_distance_from_what_is_expected() -> None:
    drawn = depth_map(plain(4, steps=(0, 5), shrinking={2: 2.0**-8}), FORWARD, {})
    assert drawn.rows == ("layers.0", "layers.1", "layers.2", "layers.3")
    assert drawn.steps == (0, 5)
    assert drawn.cells == ((0, 0), (0, 0), (-3, -3), (-3, -3))
    assert drawn.reference == "the input's rms 1"


def test_the_gradient_is_small_upstream_of_the_layer_that_shrinks_it() -> None:
    drawn = depth_map(plain(4, steps=(0,), shrinking={2: 2.0**-12}), GRADIENT, {})
    assert drawn.cells[0] == drawn.cells[1] < (-4,)
    assert drawn.cells[2] == drawn.cells[3] == (0,)
    assert drawn.reference == "the last layer's"


@pytest.mark.parametrize("cause", ["layers.1", "block"], ids=["by layer", "by module"])
def test_the_row_of_a_root_cause_layer_is_marked(cause: str) -> None:
    recording = relabelled(plain(3), "layers.1", module="block")
    assert depth_map(recording, FORWARD, {}, [cause]).marked == {1}


def test_one_faulty_layer_of_a_thousand_stays_visible_and_named() -> None:
    recording = changed(plain(1000, steps=(0,)), "layers.617", output=signal(2.0**-9))
    drawn = depth_map(recording, FORWARD, {}, ["layers.617"])
    [row] = drawn.marked
    assert len(drawn.rows) <= MOST_ROWS
    assert drawn.rows[row] == "layers.617"
    assert drawn.cells[row] == (-4,)
    assert {cells for at, cells in enumerate(drawn.cells) if at != row} == {(0,)}
    assert (drawn.rows[0], drawn.rows[-1]) == ("layers.0", "layers.999")
    assert drawn.layers_per_row == 17


def test_many_layers_fold_into_blocks_by_name() -> None:
    parts = ("norm", "attention.qkv", "attention.out", "mlp")
    names = ["embed", *(f"blocks.{block}.{part}" for block in range(24) for part in parts), "head"]
    made = plain(len(names), steps=(0,))
    renamed = dict(zip([each.name for each in made.layers], names, strict=True))
    recording = made.model_copy(
        update={
            "layers": tuple(layer(renamed[each.name], each.index) for each in made.layers),
            "steps": tuple(
                step.model_copy(
                    update={"layers": tuple(m.model_copy(update={"layer": renamed[m.layer]}) for m in step.layers)}
                )
                for step in made.steps
            ),
        }
    )
    rows = depth_map(recording, FORWARD, {}).rows
    assert rows == ("embed", *(f"blocks.{block}" for block in range(24)), "head")


def test_many_steps_fold_and_a_single_faulty_step_stays_visible() -> None:
    recording = changed(plain(2, steps=range(1000)), "layers.1", step=501, output=signal(2.0**9))
    drawn = depth_map(recording, FORWARD, {})
    assert len(drawn.steps) <= MOST_COLUMNS
    assert [step for step, ratio in zip(drawn.steps, drawn.cells[1], strict=True) if ratio > 1] == [500]


def test_worst_is_the_furthest_ratio_and_nan_is_worst() -> None:
    assert worst([0.5, -3.0, 2.0, None]) == -3
    assert worst([-math.inf, 1.0]) == -math.inf
    assert math.isnan(worst([1.0, math.nan, -math.inf]) or 0.0)
    assert worst([None, None]) is None


def test_an_intentional_zero_is_not_judged_until_it_should_have_changed() -> None:
    recording = relabelled(plain(3, steps=(0, 1, 2)), "layers.1", ends_branch=True)
    assert depth_map(changed(recording, "layers.1", output=signal(0.0)), FORWARD, {}).cells[1] == (
        None,
        None,
        -math.inf,
    )


def test_a_zero_in_the_body_is_shown_immediately() -> None:
    recording = changed(plain(3, steps=(0,)), "layers.1", output=signal(0.0))
    assert depth_map(recording, FORWARD, {}).cells[1] == (-math.inf,)


def test_a_structurally_zero_gradient_is_not_judged() -> None:
    recording = relabelled(plain(3, steps=(5,)), "layers.1", exempt_zero_gradient=True)
    recording = changed(recording, "layers.1", output=signal(0.0), gradient=signal(0.0))
    assert depth_map(recording, GRADIENT, {}).cells[1] == (None,)
    assert depth_map(recording, FORWARD, {}).cells[1] == (-math.inf,)


def test_unmeasured_and_non_finite_values_are_distinguished() -> None:
    recording = changed(plain(3, steps=(0, 1)), "layers.0", step=0, output=None)
    recording = changed(recording, "layers.2", step=1, output=signal(1.0, non_finite=3))
    cells = depth_map(recording, FORWARD, {}).cells
    assert cells[0] == (None, 0)
    assert cells[2][0] == 0
    assert math.isnan(cells[2][1] or 0.0)


@pytest.mark.parametrize("recording", [plain(0), plain(3, steps=())], ids=["no layers", "no steps"])
def test_an_empty_recording_gives_an_empty_map(recording: object) -> None:
    drawn = depth_map(recording, FORWARD, {})  # type: ignore[arg-type]
    assert drawn.rows == ()
    assert drawn.cells == ()
