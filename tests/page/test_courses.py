"""The levels of all layers over the steps."""

from __future__ import annotations

import math

import pytest

from inithealth.page.deviations import Deviations
from inithealth.recording import Recording
from tests.tensorboard.recordings import changed, plain, relabelled, signal

FIRST = 2.0**-10  # norm of the gradients in `plain`, over that of `signal(1)`


def course(recording: Recording, statistic: str = "forward_off") -> list[list[float]]:
    """Return the deviations of all layers, step by step."""
    deviations = Deviations(recording, {})
    return [list(deviations.values(step)[statistic]) for step in recording.steps]


def test_what_happens_to_all_layers_alike_is_expected() -> None:
    recording = plain(5, (0, 1))
    for name in [each.name for each in recording.layers]:
        recording = changed(recording, name, step=1, output=signal(2.0**-20))
    assert course(recording) == [[0.0] * 5] * 2


def test_a_layer_that_changes_unlike_its_peers_is_off_beyond_what_training_does() -> None:
    recording = changed(plain(5, (0, 1, 2)), "layers.3", step=2, output=signal(2.0**9))
    assert course(recording)[2] == [0.0, 0.0, 0.0, 9.0 - 3.0, 0.0]
    assert course(changed(recording, "layers.3", step=2, output=signal(2.0**2)))[2] == [0.0] * 5


def test_a_fault_of_the_first_step_stays_visible_until_it_is_gone() -> None:
    recording = changed(plain(5, (0, 1, 2)), "layers.3", output=signal(2.0**-9))
    recovered = changed(recording, "layers.3", step=2, output=signal(2.0**-6))
    assert [step[3] for step in course(recovered)] == [-4.0, -4.0, -1.0]


def test_layers_that_recover_from_a_fault_are_no_reference_for_the_others() -> None:
    recording = plain(7, (0, 1))
    for name in ("layers.3", "layers.4", "layers.5", "layers.6"):
        recording = changed(recording, name, step=0, output=signal(2.0**-19))
    assert course(recording)[1] == [0.0] * 7


def test_a_zero_start_is_not_judged_and_later_compared_with_its_first_size() -> None:
    recording = relabelled(plain(4, (0, 1, 2)), "layers.1", ends_branch=True)
    recording = changed(recording, "layers.1", step=0, output=signal(0.0))
    recording = changed(recording, "layers.1", step=1, output=signal(2.0**-9))
    found = [step[1] for step in course(changed(recording, "layers.1", step=2, output=signal(2.0**-9)))]
    assert math.isnan(found[0])
    assert found[1:] == [0.0, 0.0]
    still = course(changed(recording, "layers.1", step=2, output=signal(0.0)))
    assert still[2][1] == -math.inf


def test_zeros_in_the_body_and_non_finite_elements_are_shown() -> None:
    recording = changed(plain(3, (0,)), "layers.0", output=signal(0.0))
    recording = changed(recording, "layers.1", output=signal(1.0, non_finite=1))
    assert course(changed(recording, "layers.2", output=None))[0][:2] == [-math.inf, math.inf]
    assert math.isnan(course(changed(recording, "layers.2", output=None))[0][2])


def test_a_structurally_zero_gradient_is_not_judged() -> None:
    recording = relabelled(plain(3, (5,)), "layers.1", exempt_zero_gradient=True)
    recording = changed(recording, "layers.1", gradient=signal(0.0))
    assert math.isnan(course(recording, "gradient_off")[0][1])


def alone(recording: Recording, name: str, **more: object) -> Recording:
    """Return the recording with one layer of a role that no other layer has."""
    return relabelled(recording, name, kind="conv", **more)


def test_logits_may_grow_to_any_size_that_is_healthy_at_the_first_step() -> None:
    """The head has no peers: a start with logits of 0.1 is healthy, and so is what it learns."""
    recording = alone(changed(plain(5, (0, 1, 2)), "layers.4", output=signal(0.1)), "layers.4", head=True)
    grown = changed(recording, "layers.4", step=2, output=signal(16.0))
    assert course(grown)[2] == [0.0] * 5
    exploded = changed(recording, "layers.4", step=2, output=signal(2.0**10))
    assert course(exploded)[2][4] == pytest.approx(10 - math.log2(30.0))


def test_the_gradient_of_a_layer_without_peers_is_compared_with_that_of_the_last_layer() -> None:
    """The first layer's gradient falls more than the others: from 1 to 1/64 of the last layer's, which is healthy."""
    recording = alone(plain(5, (0, 1, 2, 3)), "layers.0")
    for step in (2, 3):
        recording = changed(recording, "layers.0", step=step, gradient=signal(FIRST * 2.0**-6))
    assert course(recording, "gradient_off")[3] == [0.0] * 5
    for step in (2, 3):
        recording = changed(recording, "layers.0", step=step, gradient=signal(FIRST * 2.0**-12))
    assert course(recording, "gradient_off")[3][0] == pytest.approx(-12 + math.log2(200))


def test_a_layer_that_starts_near_zero_may_grow_unlike_its_peers_to_a_healthy_size() -> None:
    recording = changed(plain(5, (0, 1, 2)), "layers.1", step=0, output=signal(2.0**-6))
    recording = relabelled(recording, "layers.1", bypassable=True)
    for size, off in ((1.0, 0.0), (2.0**10, 10 - math.log2(30.0))):
        found = course(changed(recording, "layers.1", step=2, output=signal(size)))
        assert found[2][1] == pytest.approx(off), size


@pytest.mark.parametrize("name", ["layers.1", "layers.3"])
def test_the_gradient_of_a_single_batch_is_noise(name: str) -> None:
    recording = changed(plain(5, (0, 1, 2, 3)), name, step=2, gradient=signal(FIRST * 2.0**-9))
    assert [max(map(abs, step)) for step in course(recording, "gradient_off")] == [0.0] * 4
    lasting = changed(recording, name, step=3, gradient=signal(FIRST * 2.0**-8))
    assert min(course(lasting, "gradient_off")[3]) == -8.0 + 5.0
    back_and_forth = changed(recording, name, step=3, gradient=signal(FIRST * 2.0**8))
    assert max(map(abs, course(back_and_forth, "gradient_off")[3])) == 0.0


def test_a_noisy_gradient_is_off_only_beyond_its_noise() -> None:
    """It is 2^-9 at most steps, as a layer with a real fault, but 2^3 in between."""
    recording = plain(5, range(12))
    for step in range(1, 12):
        size = 2.0**-9 if step % 3 else 2.0**3
        recording = changed(recording, "layers.1", step=step, gradient=signal(FIRST * size))
    assert [row[1] for row in course(recording, "gradient_off")[6:]] == pytest.approx([0.0] * 6)


def test_a_gradient_that_explodes_is_shown_although_it_was_not_measured_in_between() -> None:
    recording = changed(plain(5, (0, 1, 2, 3)), "layers.1", step=1, gradient=None)
    for step in (2, 3):
        recording = changed(recording, "layers.1", step=step, gradient=signal(FIRST * 2.0**9))
    assert course(recording, "gradient_off")[3][1] == 9.0 - 5.0


def test_a_layer_without_gradient_is_an_exact_zero_where_a_rule_found_that() -> None:
    recording = changed(plain(4, (0, 1)), "layers.1", gradient=None)
    for found, expected in (({}, math.nan), ({"layers.1": {"no-gradient"}}, -math.inf)):
        deviations = Deviations(recording, found)
        rows = [deviations.values(step)["gradient_off"] for step in recording.steps]
        assert [row[1] for row in rows] == pytest.approx([expected] * 2, nan_ok=True)
        assert [row[0] for row in rows] == [0.0, 0.0]


def test_a_loss_without_gradient_is_no_fault_of_the_layers() -> None:
    """A hinge loss that is learned: all gradients are zero. A single zero is shown."""
    recording = plain(3, (0, 1, 2))
    for name in ("layers.0", "layers.1", "layers.2"):
        recording = changed(recording, name, step=2, gradient=signal(0.0))
    assert all(math.isnan(off) for off in course(recording, "gradient_off")[2])
    single = changed(plain(3, (0, 1, 2)), "layers.1", step=2, gradient=signal(0.0))
    assert course(single, "gradient_off")[2][1] == -math.inf


def test_a_layer_without_peers_that_started_at_a_usual_size_may_not_fade() -> None:
    """A range without a lower end is for layers that start near zero."""
    recording = plain(5, (0, 1, 2)).model_copy(update={"normalized": True})
    recording = alone(recording, "layers.0", bypassable=True)
    faded = changed(recording, "layers.0", step=2, output=signal(2.0**-12))
    assert course(faded)[2][0] == -12 + 5
    assert course(changed(faded, "layers.0", step=0, output=signal(2.0**-8)))[2][0] == 0.0
