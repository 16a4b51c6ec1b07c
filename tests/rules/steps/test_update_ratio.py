"""IH402: steps that replace a weight, and steps reduced by epsilon."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adadelta, Adafactor, Adagrad, Adam, Optimizer

import inithealth
from inithealth import Severity
from inithealth.evidence import fixes
from inithealth.recording import Recording, Step, Update
from inithealth.rules.steps.update_ratio import UpdateRatio
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, measured, recording, stack
from tests.rules.runs import EVERY, several, trained, update


def test_a_learning_rate_that_replaces_the_weights_is_found() -> None:
    found = finding(trained(mlp(), 3, optimizer=partial(Adam, lr=0.3)), "IH402")
    assert found.severity == Severity.WARNING
    assert "one step changes the weights by up to" in found.message
    assert found.message.endswith("of their rms (limit 50%)")
    assert "the learning rate 0.3 is too high" in found.cause


@pytest.mark.parametrize("make", [partial(SGD, lr=0.1), partial(Adam, lr=1e-3), partial(Adam, lr=1e-5)])
def test_usual_learning_rates_are_healthy(make: partial[SGD]) -> None:
    assert trained(mlp(), optimizer=make).causes == ()


def test_an_epsilon_that_outweighs_the_gradients_is_reported() -> None:
    found = finding(trained(mlp(), optimizer=partial(Adam, lr=1e-3, eps=1e3)), "IH402")
    assert "% of the optimizer's usual step (limit 0.1%)" in found.message
    assert "epsilon outweighs them" in found.cause


def test_a_weight_that_starts_at_zero_is_compared_with_its_expected_rms() -> None:
    model = mlp()
    nn.init.zeros_(model[8].weight)
    assert "IH402" not in codes(trained(model, optimizer=partial(Adam, lr=1e-3)))


def test_layers_right_before_a_norm_are_not_judged() -> None:
    loud = {"fc1": update(change=0.1)}
    assert len(judge(UpdateRatio, several(updates=loud))) == 1
    assert judge(UpdateRatio, several(updates=loud, layers=stack(fc1={"normed": True}))) == []


def test_options_change_the_limits() -> None:
    loud, quiet = several(updates={"fc1": update(change=0.04)}), {"fc1": update(change=1e-6, usual=0.01)}
    assert judge(UpdateRatio, loud) == []
    assert len(judge(UpdateRatio, loud, max_ratio=0.3)) == 1
    assert len(judge(UpdateRatio, several(updates=quiet))) == 1
    assert (
        judge(UpdateRatio, several(updates={"fc1": update(change=1e-6)})) == []
    )  # SGD's step is as large as the gradient
    assert judge(UpdateRatio, several(updates=quiet), min_share_of_rate=1e-5) == []
    once = several(updates={"fc1": update(change=0.1)}, steps=2)
    assert judge(UpdateRatio, once) == []
    assert len(judge(UpdateRatio, once, min_steps=1)) == 1


@pytest.mark.parametrize(
    ("weight", "change", "expected", "ratio"),
    [
        (1.0, 0.5, None, None),
        (1.0, 0.51, None, 0.51),
        (0.01, 0.06, 0.1, 0.6),  # relative to the expected rms if it started smaller
        (0.1, 0.06, 0.01, 0.6),
        (0.0, 0.06, 0.1, 0.6),
        (0.0, 0.06, None, None),  # nothing to compare with
    ],
)
def test_a_change_is_compared_with_the_weight(
    weight: float, change: float, expected: float | None, ratio: float | None
) -> None:
    layers = stack(fc1={"wants": expected})
    found = judge(UpdateRatio, several(updates={"fc1": update(weight, change)}, layers=layers))
    assert [each.measured for each in found] == ([] if ratio is None else [pytest.approx(ratio)])


def watched(*updates: dict[str, Update]) -> Recording:
    """Return steps with these updates, ten apart, and a last step without updates."""
    layers = stack()
    every = [
        Step(index=10 * number, layers=measured(layers), updates=each) for number, each in enumerate((*updates, {}))
    ]
    return recording(layers, steps=tuple(every))


@pytest.mark.parametrize("min_steps", [2, 3])
def test_the_largest_change_of_the_last_step_is_first(min_steps: int) -> None:
    early = {"fc0": update(1.0, 0.9), "fc1": update(1.0, 0.6), "fc2": update(1.0, 0.9), "fc3": update(1.0, 0.1)}
    last = {"fc0": update(1.0, 0.6), "fc1": update(1.0, 0.8, rate=0.25), "fc2": update(1.0, 0.1)}
    (found,) = judge(UpdateRatio, watched(early, early, last), min_steps=min_steps)
    assert found.layers == ("fc1", "fc0")  # fc2's was an outlier, fc3's was small
    assert (found.measured, found.limit, found.step) == (0.8, 0.5, 20)
    assert "80%" in found.message
    assert "0.25" in found.cause
    assert found.fix == fixes.LOWER_RATE
    assert "fc1" in found.cause


def test_an_unknown_learning_rate_is_omitted() -> None:
    (found,) = judge(UpdateRatio, several(updates={"fc1": update(1.0, 0.6, rate=None)}))
    assert "None" not in found.cause


@pytest.mark.parametrize("kind", ["norm", "embedding", "scale", "other"])
def test_vectors_and_embeddings_are_not_judged(kind: str) -> None:
    assert judge(UpdateRatio, several(updates={"fc1": update(1.0, 0.9)}, layers=stack(fc1={"kind": kind}))) == []


def quiet(*shares: float) -> Recording:
    """Return changes of these shares of a usual step of 0.5, over twelve steps."""
    updates = {f"fc{place}": update(1.0, 0.5 * share, usual=0.5) for place, share in enumerate(shares)}
    return several(updates=updates, apart=10)


def test_the_median_of_small_changes_is_measured() -> None:
    (found,) = judge(UpdateRatio, quiet(1e-5, 3e-4, 4e-4, 0.1))
    assert found.layers == ("fc0", "fc1", "fc2")
    assert (found.measured, found.limit, found.step) == (pytest.approx(3e-4), 1e-3, 100)
    assert "0.03%" in found.message


def test_small_changes_are_those_of_the_last_step() -> None:
    early, last = {"fc1": update(change=1e-6, usual=0.01)}, {"fc1": update(change=4e-6, usual=0.02)}
    steps = [early] * 11 + [last]
    (found,) = judge(UpdateRatio, watched(*steps), min_steps=3)
    assert (found.measured, found.step) == (pytest.approx(2e-4), 110)


def test_without_steps_there_is_no_finding() -> None:
    with pytest.raises(ValidationError, match="min_steps"):
        UpdateRatio(min_steps=0)


@pytest.mark.parametrize(("share", "found"), [(1.1e-3, 0), (2.0**-10, 1), (1e-5, 1), (0.0, 0)])
def test_a_change_dominated_by_epsilon_is_small_but_not_zero(share: float, found: int) -> None:
    assert len(judge(UpdateRatio, quiet(share))) == found


def test_a_change_at_the_limit_is_not_small() -> None:
    assert judge(UpdateRatio, quiet(0.25), min_share_of_rate=0.25) == []
    assert len(judge(UpdateRatio, quiet(0.24), min_share_of_rate=0.25)) == 1


def test_early_steps_may_be_small_upstream_of_zero_starts() -> None:
    small = {"fc1": update(change=1e-6, usual=0.01)}
    assert judge(UpdateRatio, watched(small, small, small)) == []


@pytest.mark.parametrize(("last", "found"), [(2.3, 1), (0.12, 1), (0.11, 0), (1e-5, 0), (-4.0, 1)])
def test_a_network_that_has_learned_its_batch_has_small_gradients(last: float, found: int) -> None:
    small = {"fc1": update(change=1e-6, usual=0.01)}
    assert len(judge(UpdateRatio, several(updates=small, losses=[2.3] * 11 + [last]))) == found


def mnist() -> nn.Module:
    """Return the network of PyTorch's MNIST example, smaller."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(16 * 36, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10)),
    )


@pytest.mark.parametrize("make", [partial(Adadelta, lr=1.0), partial(Adagrad, lr=0.01), partial(Adafactor, lr=0.01)])
def test_a_run_that_learns_has_usual_steps(make: partial[Optimizer]) -> None:
    torch.manual_seed(0)
    net, labels = mnist(), torch.randint(10, (64,))
    optimizer = make(net.parameters())
    with inithealth.watch(net, optimizer=optimizer, settings=EVERY, verbose=False) as monitor:
        for _ in range(15):
            loss = cross_entropy(net(torch.randn(64, 1, 16, 16) + labels[:, None, None, None] / 2), labels)
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    assert "IH402" not in codes(monitor.report)


def test_a_step_that_replaces_the_weights_explains_later_failures() -> None:
    (found,) = judge(UpdateRatio, several(updates={"fc1": update(1.0, 0.9)}))
    for code in ("IH203", "IH303", "IH403", "IH404", "IH405", "IH406"):
        assert explains(UpdateRatio, found, code, step=found.step + 1)
    assert explains(UpdateRatio, found, "IH403", step=found.step)
    assert not explains(UpdateRatio, found, "IH408", step=found.step + 1)
