"""Every operation finds the pages that it reads in memory, within the limit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.record.paged.paging import paged, pager

X = torch.randn(4, 256)
SIZE = 256 * 256 * 4  # bytes of a weight


def net(layers: int = 6) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(256, 256) for _ in range(layers)))


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return list(torch.autograd.grad(model(X).square().mean(), list(model.parameters())))


@pytest.mark.parametrize("weights", [1, 2, 6])
def test_results_are_those_of_a_model_in_memory(weights: int) -> None:
    expected, model = gradients(net()), net()
    pages = paged(model)
    with pager(pages, weights * SIZE) as active:
        found = gradients(model)
        found = [active.formed(factors) if (factors := active.unformed.take(each)) else each for each in found]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_least_recently_used_pages_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net(4)
    pages = paged(model)
    with pager(pages, 2 * SIZE) as active:
        monkeypatch.setattr(type(active), "_room", lambda self: 2 * SIZE)
        active._after.clear()  # nothing is made ahead
        for layer in (0, 1, 0, 2):
            model[layer](X)
        assert [page.present for page in pages][:2] == [True, False]
    assert not any(page.present for page in pages)


def test_views_and_shapes_load_nothing() -> None:
    model = net(1)
    with pager(paged(model), SIZE) as active:
        weight = model[0].weight
        assert weight.t()[3:].unsqueeze(1).shape == (253, 1, 256)
        assert torch.zeros_like(weight).shape == weight.detach().shape
        assert active.loads == 0
        assert weight[3, 4].item() != 0.0
        assert active.loads == 1


def test_a_page_that_is_written_stays() -> None:
    model, written = net(3), []
    pages = paged(model)
    with pager(pages, SIZE) as active, torch.no_grad():
        active.before_write = lambda page: written.append(page.name)
        model[0].weight.fill_(7.0)
        model(X)
        assert written == ["0.weight"]
        assert bool((model[0].weight == 7.0).all())


def test_an_update_changes_a_page_in_memory_and_one_that_is_made_again() -> None:
    model = net(2)
    pages = paged(model)
    with pager(pages, 2 * SIZE) as active, torch.no_grad():
        model(X)
        before = model[0].weight.clone()
        weight = model[0].weight.detach()
        for _ in range(2):
            active.update(pages[0], lambda: weight.add_(1.0))
        assert torch.equal(model[0].weight, before + 1.0 + 1.0)


def test_saved_python_numbers_are_tensors_again() -> None:
    model = net(1)
    with pager(paged(model), SIZE):
        node: Any = (model(X) * 2.5).grad_fn
        assert node._saved_other.detach().item() == 2.5
