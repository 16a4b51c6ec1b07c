"""A verdict does not depend on the batch size, from 8 to 512."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.invariance.examples import few
from tests.invariance.rebuilt import FIXED_SIZE, KINDS, rebuilt
from tests.invariance.verdicts import judged, own_verdict, shown, verdict

LARGEST, LARGEST_SLOW = 512, 48  # images and sequences are much slower than vectors


def is_fast(name: str) -> bool:
    """Return whether each sample is one vector."""
    batch = rebuilt(name).batch
    return not isinstance(batch, tuple) and batch.dim() == 2 and batch.is_floating_point()


FAST = [name for name in KINDS if name not in FIXED_SIZE and is_fast(name)]
SLOW = [name for name in KINDS if name not in FIXED_SIZE and not is_fast(name)]


def same_at(name: str, samples: int) -> None:
    assert shown(verdict(judged(rebuilt(name, samples=samples)))) == shown(own_verdict(name))


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("samples", [8, LARGEST])
def test_the_smallest_and_the_largest_batch(name: str, samples: int) -> None:
    same_at(name, samples)


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("samples", [8, LARGEST_SLOW])
def test_small_batches_of_images_and_sequences(name: str, samples: int) -> None:
    same_at(name, samples)


@pytest.mark.parametrize("name", FAST)
@few
@given(samples=st.integers(9, 200))
def test_any_batch_size_between(name: str, samples: int) -> None:
    same_at(name, samples)


def test_a_graph_with_many_nodes() -> None:
    """The rows of its adjacency sum to 1, so more nodes make smaller entries: such inputs need no scaling."""
    same_at("graph_net", 128)
