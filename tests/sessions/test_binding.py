"""A batch is divided between model and loss if only one way is possible; otherwise the message has advice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import inithealth
from inithealth.sessions.binding import Bound, bind

X, MASK, Y = torch.randn(6, 4), torch.ones(6, 4), torch.arange(6) % 3


class One(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        return self.net(x)


class Optional(One):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Any:
        return self.net(x if mask is None else x * mask)


class AllOptional(One):
    """Like transformers' models."""

    def forward(self, x: Tensor | None = None, mask: Tensor | None = None) -> Any:
        assert x is not None
        return self.net(x)


class Two(One):
    def forward(self, a: Tensor, b: Tensor) -> Any:
        return self.net(a + b)


class Many(One):
    def forward(self, *inputs: Tensor) -> Any:
        return self.net(sum(inputs))


class Labeled(One):
    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        output = self.net(x)
        return output if labels is None else {"loss": F.cross_entropy(output, labels), "logits": output}


class Open(One):
    def forward(self, **inputs: Tensor) -> Any:
        return self.net(inputs["x"])


class Criterion(nn.Module):
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target)


def alone(output: Tensor) -> Tensor:
    return output.sum()


def weighted(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    return F.cross_entropy(output, target)


def triple(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return F.cross_entropy(output, target)


def undeclared(*args: Any) -> Tensor:
    return F.cross_entropy(*args)


@pytest.mark.parametrize(
    ("net", "batch", "loss", "inputs", "places"),
    [
        (One, (X, Y), F.cross_entropy, (X,), ("batch[1]",)),
        (One, [X, Y], nn.CrossEntropyLoss(weight=torch.ones(3)), [X], ("batch[1]",)),
        (One, (X, Y), Criterion(), (X,), ("batch[1]",)),
        (One, (X, Y), partial(F.cross_entropy, label_smoothing=0.1), (X,), ("batch[1]",)),
        (One, (X, Y, MASK), triple, (X,), ("batch[1]", "batch[2]")),
        (One, (X, Y), undeclared, (X,), ("batch[1]",)),
        (Two, (X, X, Y), F.cross_entropy, (X, X), ("batch[2]",)),
        (Two, (X, X), undeclared, (X, X), ()),
        (Optional, (X, Y), weighted, (X,), ("batch[1]",)),
        (Optional, (X, MASK, Y), F.cross_entropy, (X, MASK), ("batch[2]",)),
        (Optional, (X, MASK, Y), partial(F.cross_entropy, label_smoothing=0.1), (X, MASK), ("batch[2]",)),
        (Many, (X, X, Y), Criterion(), (X, X), ("batch[2]",)),
        (One, {"x": X, "target": Y}, F.cross_entropy, {"x": X}, ("batch['target']",)),
        (One, {"x": X, "labels": Y}, F.cross_entropy, {"x": X}, ("batch['labels']",)),
        (One, {"x": X, "truth": Y}, F.cross_entropy, {"x": X}, ("batch['truth']",)),
        (One, {"x": X, "mask": MASK, "target": Y}, triple, {"x": X}, ("batch['target']", "batch['mask']")),
        (Labeled, {"x": X, "labels": Y}, F.cross_entropy, {"x": X}, ("batch['labels']",)),
        (Open, {"x": X, "y": Y}, F.cross_entropy, {"x": X}, ("batch['y']",)),
        (One, (X,), alone, (X,), ()),
        (One, X, None, X, ()),
        (Labeled, {"x": X, "labels": Y}, None, {"x": X, "labels": Y}, ()),
        (Labeled, (X, Y), None, (X, Y), ()),
        (Optional, {"x": X, "mask": MASK}, None, {"x": X, "mask": MASK}, ()),
        (AllOptional, X, None, X, ()),
        (AllOptional, [X], None, [X], ()),
    ],
)
def test_the_only_possible_assignment(net: Any, batch: Any, loss: Any, inputs: Any, places: tuple[str, ...]) -> None:
    bound = bind(net(), batch, loss, drawn=True)
    assert type(bound.inputs) is type(inputs)
    assert repr(bound.inputs) == repr(inputs)
    assert bound.places == places
    assert [id(each) for each in bound.targets] == [id(eval(place, {"batch": batch})) for place in places]


@pytest.mark.parametrize(
    ("net", "batch", "loss", "says"),
    [
        (One, X, F.mse_loss, r"the batch has 1 element: pass \(x, target\) as the batch"),
        (Two, (X, Y), F.cross_entropy, r"Two.forward takes \(a, b\) .* has 2 elements: pass \(a, b, target\)"),
        (Two, ((X, X), Y), F.cross_entropy, r"pass \(a, b, target\)"),
        (One, (X, Y, MASK), F.cross_entropy, r"the batch has 3 elements: pass \(x, target\)"),
        (One, inithealth.Call(X), F.cross_entropy, r"loss=lambda output: criterion\(output, targets\)"),
        (One, {"x": X, "target": Y, "index": Y}, F.cross_entropy, r"has 'x', 'target', 'index': pass \(x, target\)"),
        (One, {"image": X, "target": Y}, F.cross_entropy, r"has 'image', 'target': pass \(x, target\)"),
        (One, {"x": X, "label": Y, "labels": Y}, F.mse_loss, r"pass \(x, target\)"),
        (One, ({"x": X}, Y), F.cross_entropy, r"pass \{\*\*batch\[0\], 'target': batch\[1\]\}, or inithealth.Call"),
        (
            Optional,
            (X, MASK, Y),
            weighted,
            r"several ways: write check\(model, inithealth.Call\(batch\[0\], batch\[1\]\), loss=lambda output: "
            r"loss\(output, batch\[2\]\)\) or .*Call\(batch\[0\]\), loss=lambda output: "
            r"loss\(output, batch\[1\], batch\[2\]\)\)",
        ),
        (Optional, (X, Y), None, "the loader gives 2 elements .* if it is mask, pass next"),
    ],
)
def test_none_or_several_possible_assignments(net: Any, batch: Any, loss: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        bind(net(), batch, loss, drawn=True)


def test_a_tuple_passed_directly_is_all_inputs() -> None:
    assert bind(Optional(), (X, MASK), None) == Bound((X, MASK))


def test_the_suggested_calls_run() -> None:
    with pytest.raises(TypeError) as raised:
        inithealth.check(Optional(), (X, MASK, Y), loss=weighted)
    calls = str(raised.value).partition("write ")[2].split(" or ")
    names = {"check": inithealth.check, "inithealth": inithealth, "model": Optional(), "loss": weighted}
    for call, batch in zip(calls, [(X, MASK, Y), (X, Y, MASK)], strict=True):
        assert eval(call, {**names, "batch": batch}).measurements


@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss()])
def test_the_report_shows_the_arguments_of_the_loss(loss: Callable[..., Tensor]) -> None:
    report = inithealth.check(One(), (X, Y), loss=loss)
    by_hand = inithealth.check(One(), X, loss=lambda output: F.cross_entropy(output, Y))
    assert report.notes[0] == "loss: as given, of the output and batch[1]"
    assert len(report.measurements) == len(by_hand.measurements)


def test_targets_are_not_inputs() -> None:
    """A regression target with a large scale is not judged as an input of the network."""
    report = inithealth.check(One(), (X, 1e6 * torch.randn(6, 3)), loss=F.mse_loss)
    assert "IH210" not in [finding.code for finding in report.findings]


def test_a_training_step_that_unpacks_several_elements() -> None:
    class Lit(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 3)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y = batch
            return F.cross_entropy(self.net(x), y)

    with pytest.raises(ValueError, match=r"training_step unpacks its batch .*: pass all of it, for example \(inputs"):
        inithealth.check(Lit(), X)


def test_an_output_container() -> None:
    class Wrapped(One):
        def forward(self, x: Tensor) -> Any:
            return (self.net(x), x)

    with pytest.raises(TypeError, match=r"output is a tuple .* pass loss=lambda output, target: criterion\(output\[0"):
        inithealth.check(Wrapped(), (X, Y), loss=F.cross_entropy)
    assert inithealth.check(Wrapped(), (X, Y), loss=lambda output, target: F.cross_entropy(output[0], target))


@pytest.mark.parametrize("batch", [X.numpy(), (20,), [(X, Y), (X, Y)]])
def test_batches_without_tensors(batch: Any) -> None:
    loss = F.cross_entropy if isinstance(batch, list) else None
    with pytest.raises(TypeError, match=r"where the model takes a tensor: pass torch.as_tensor\(array\), torch.randn"):
        inithealth.check(One(), batch, loss=loss)


def test_separate_inputs_and_targets_instead_of_one_batch() -> None:
    with pytest.raises(TypeError, match=r"pass \(inputs, targets\) as the batch"):
        inithealth.check(One(), X, Y, loss=F.cross_entropy)  # type: ignore[arg-type]
