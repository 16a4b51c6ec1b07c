"""Invalid input is rejected with advice, and nothing is changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import inithealth

INPUTS = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(16) % 4


def perceptron() -> nn.Module:
    """Return a network with everything that a forward pass changes: dropout's random state, BatchNorm's buffers."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(), nn.ReLU(), nn.Linear(16, 4))


class Failing(nn.Module):
    """Raises the given error in the middle of the forward pass."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.body, self.head, self.error = perceptron(), nn.Linear(4, 4), error

    def forward(self, x: Tensor) -> Tensor:
        self.body(x).sum()
        raise self.error


class Changed(nn.Module):
    """A network whose output is changed by a function."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.body, self.change = perceptron(), change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.body(x))


def footprint(model: nn.Module) -> list[Any]:
    """Return what must be restored: weights, buffers, gradients, flags, modes, hooks, attributes, random state."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    modules = list(model.modules())
    return [
        [(name, tensor.detach().clone().numpy().tobytes(), tensor.requires_grad) for name, tensor in tensors],
        [None if p.grad is None else (id(p.grad), p.grad.clone().numpy().tobytes()) for p in model.parameters()],
        [(module.training, sorted(module.__dict__)) for module in modules],
        [[len(value) for key, value in sorted(m.__dict__.items()) if key.endswith("_hooks")] for m in modules],
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        torch.is_grad_enabled(),
    ]


def lived_in(model: nn.Module) -> nn.Module:
    """Put a model in a typical state of use: partly in eval mode, with gradients, a frozen layer and a hook."""
    parts = list(model.modules())
    parts[-1].eval()
    parts[0].register_forward_hook(lambda module, args, output: None)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    next(model.parameters()).requires_grad_(False)
    return model


def frozen() -> nn.Module:
    return perceptron().requires_grad_(False)


def under_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return nn.Linear(8, 4)


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        (lambda: print, TypeError, "must be a torch.nn.Module, not builtin_function_or_method"),
        (lambda: nn.Linear, TypeError, "not the class Linear"),
        (lambda: nn.ReLU(), ValueError, "ReLU has no parameters"),
        (frozen, ValueError, "every parameter is frozen"),
        (lambda: nn.Sequential(nn.Linear(8, 8), nn.LazyLinear(4)), ValueError, r"1\.weight .* run one batch first"),
        (lambda: perceptron().to("meta"), ValueError, r"0\.weight .* materialize and initialize it first"),
        (under_inference_mode, ValueError, "created under torch.inference_mode: create them outside"),
    ],
)
def test_a_model_that_cannot_be_judged(model: Callable[[], Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        inithealth.check(model(), INPUTS)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_scripted_model_is_rejected() -> None:
    with pytest.raises(TypeError, match="check the module that it was scripted from"):
        inithealth.check(torch.jit.script(nn.Linear(8, 4)), INPUTS)


NAN = torch.where(torch.arange(8) == 3, torch.nan, INPUTS)


@pytest.mark.parametrize(
    ("batch", "kind", "says"),
    [
        (None, ValueError, "no batch: pass what the model is called with"),
        ((), ValueError, "no batch"),
        ({}, ValueError, "no batch"),
        (INPUTS[:0], ValueError, r"batch is empty \(shape \(0, 8\)\): pass a batch with samples"),
        (NAN, ValueError, "batch has 16 NaN or infinite of 128 elements: the input is broken, not the network"),
        ((INPUTS, NAN), ValueError, r"batch\[1\] has 16 NaN"),
        ({"input": INPUTS * torch.inf}, ValueError, r"batch\['input'\] has 128 NaN or infinite"),
        (inithealth.Call(INPUTS, mask=NAN), ValueError, r"batch\['mask'\] has 16 NaN"),
        (
            TensorDataset(INPUTS),
            TypeError,
            r"a TensorDataset, .*: pass DataLoader\(dataset, batch_size=32\)",
        ),
        (DataLoader(TensorDataset(NAN)), ValueError, r"batch\[0\] has 1 NaN"),
        (INPUTS[:, :5], RuntimeError, "shapes cannot be multiplied"),
        ("a picture", TypeError, "must be Tensor, not str"),
        ({0: INPUTS}, TypeError, r"keys are not argument names: inithealth.Call\(batch\) is model\(batch\)"),
        ((INPUTS, TARGETS), TypeError, "pass loss=torch.nn.functional.cross_entropy or .*, or the inputs alone"),
        (
            {"pixels": INPUTS},
            TypeError,
            r"unexpected keyword argument 'pixels': .* inithealth.Call\(batch\) one argument",
        ),
    ],
)
def test_a_batch_that_cannot_be_judged(batch: Any, kind: type[Exception], says: str) -> None:
    model = lived_in(perceptron())
    before = footprint(model)
    with pytest.raises(kind, match=says):
        inithealth.check(model, batch)
    assert footprint(model) == before


@pytest.mark.parametrize(
    "batch",
    [torch.ones(16, 8), torch.zeros(16, 8), (torch.full((16, 8), 0.1),), {"input": torch.ones(16, 8)}],
)
def test_constant_inputs(batch: Any) -> None:
    model = lived_in(perceptron())
    before = footprint(model)
    with pytest.raises(
        ValueError, match=r"every input is constant .* of shape \(16, 8\)\), .*: pass a batch of the data"
    ):
        inithealth.check(model, batch)
    assert footprint(model) == before


def test_a_constant_target_or_mask_is_allowed() -> None:
    assert inithealth.check(
        perceptron(), (INPUTS, torch.zeros(16, dtype=torch.long)), loss=F.cross_entropy
    ).measurements

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = perceptron()

        def forward(self, x: Tensor, mask: Tensor) -> Any:
            return self.body(x * mask)

    assert inithealth.check(Masked(), (INPUTS, torch.ones(16, 8))).measurements


def test_a_lightning_batch_of_constants_and_labels() -> None:
    class Lit(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.body = perceptron()

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return F.cross_entropy(self.body(batch[0]), batch[1])

    with pytest.raises(ValueError, match="every input is constant"):
        inithealth.check(Lit(), (torch.ones(16, 8), TARGETS))
    assert inithealth.check(Lit(), (INPUTS, torch.zeros(16, dtype=torch.long))).measurements


def test_one_sample_for_a_network_with_batch_normalization() -> None:
    with pytest.raises(ValueError, match="BatchNorm needs several samples, pass a batch of 8 or more"):
        inithealth.check(perceptron(), INPUTS[:1])


def test_a_missing_batch_is_a_python_type_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'batch'"):
        inithealth.check(perceptron())


@pytest.mark.parametrize(
    ("loss", "kind", "says"),
    [
        (lambda output: output, ValueError, r"not shape \(16, 4\): reduce it with .mean\(\)"),
        (lambda output: output.sum().item(), ValueError, r"not float: return the loss itself, without .item\(\)"),
        (lambda output: None, ValueError, "not NoneType: return the loss"),
        (lambda output: output.argmax(), ValueError, "not torch.int64"),
        (lambda output: torch.complex(output, output).sum(), ValueError, "not torch.complex64"),
        (lambda output: output.detach().sum(), ValueError, "no graph, so nothing would train: look for no_grad"),
        (
            lambda output: torch.ones((), requires_grad=True) * 2,
            ValueError,
            "does not depend on any trainable parameter",
        ),
        (nn.CrossEntropyLoss(), TypeError, r"pass \(input, target\) as the batch, or .* loss=lambda output: criterion"),
        (lambda output, target: F.cross_entropy(output, target), TypeError, r"pass \(input, target\) as the batch"),
        (lambda output, *, target: output.sum(), TypeError, "called with the model's output alone"),
        ("mse", TypeError, "must be a function of the model's output, not str"),
        ("mse_loss", TypeError, "not str: pass loss=torch.nn.functional.mse_loss"),
        (nn.MSELoss, TypeError, r"loss is the class MSELoss: pass loss=MSELoss\(\)"),
        (lambda output: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda output: output + "a", TypeError, "unsupported operand"),
    ],
)
def test_an_invalid_loss(loss: Any, kind: type[Exception], says: str) -> None:
    model = lived_in(perceptron())
    before = footprint(model)
    with pytest.raises(kind, match=says):
        inithealth.check(model, INPUTS, loss=loss)
    assert footprint(model) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda output: output.argmax(1), r"the output \(Tensor\) contains no floating-point tensor .*: pass loss="),
        (lambda output: None, r"the output \(NoneType\) contains no floating-point tensor"),
        (lambda output: {"classes": output.argmax(1)}, r"the output \(dict\) contains no floating-point tensor"),
        (lambda output: output.detach(), "the output has no graph"),
        (lambda output: {"loss": output}, r"output.loss must return a scalar, not shape \(16, 4\)"),
    ],
)
def test_an_output_without_a_possible_loss(change: Callable[[Tensor], Any], says: str) -> None:
    model = Changed(change)
    before = footprint(model)
    with pytest.raises(ValueError, match=says):
        inithealth.check(model, INPUTS)
    assert footprint(model) == before


@pytest.mark.parametrize("error", [KeyError("mine"), ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_of_the_model_is_raised_unchanged(error: BaseException) -> None:
    model = lived_in(Failing(error))
    before = footprint(model)
    with pytest.raises(type(error)) as raised:
        inithealth.check(model, INPUTS)
    assert raised.value is error
    assert raised.traceback[-1].name == "forward"
    assert footprint(model) == before


def test_an_error_of_the_model_is_shown_once() -> None:
    with pytest.raises(KeyError) as raised:
        inithealth.check(Changed(lambda output: {}["missing"]), INPUTS)
    assert raised.traceback[-1].name == "<lambda>"
    assert raised.value.__context__ is None  # no "During handling of the above exception, another one occurred"


@pytest.mark.parametrize(
    ("optimizer", "kind", "says"),
    [
        (torch.optim.Adam, TypeError, r"not the class Adam: create it with model.parameters\(\)"),
        ("adam", TypeError, "must be a torch.optim.Optimizer, not str"),
        (torch.optim.Adam(perceptron().parameters()), ValueError, "Adam has no parameter of the model"),
    ],
)
def test_an_optimizer_of_another_model(optimizer: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        inithealth.check(perceptron(), INPUTS, optimizer=optimizer)


def test_a_misspelled_setting_is_reported_before_the_model_runs() -> None:
    model = Failing(AssertionError("it ran"))
    with pytest.raises(ValueError, match="unknown rule 'dead-unit'; did you mean 'dead-units'"):
        inithealth.check(model, INPUTS, settings={"ignore": "dead-unit"})
    with pytest.raises(ValueError, match="unknown setting 'selct'; did you mean 'select'"):
        inithealth.check(model, INPUTS, settings={"selct": "IH1"})


def test_a_successful_check_changes_nothing_either() -> None:
    model = lived_in(perceptron())
    nn.init.zeros_(model[1].weight)
    before = footprint(model)
    report = inithealth.check(model, INPUTS)
    assert [cause.code for cause in report.causes] == ["IH103"]  # an error only after four optimizer steps
    assert not report.ok
    assert footprint(model) == before
