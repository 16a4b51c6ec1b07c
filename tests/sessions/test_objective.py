"""The objective of a check: the loss of a plain module, and LightningModules of both namespaces without a Trainer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

import inithealth
from inithealth import Report
from inithealth.sessions.objective import Objective

INPUTS = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(32) % 4
BATCH = (INPUTS, TARGETS)
NAMESPACES = pytest.mark.parametrize("pl", [pytorch_lightning, lightning.pytorch], ids=lambda home: home.__name__)


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


@dataclass(frozen=True)
class Output:
    logits: Tensor
    name: str = "logits"


def loss_of(output: Any) -> Objective:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = perceptron()

        def forward(self, x: Tensor) -> Any:
            return output(self.net(x))

    return Objective(Net(), INPUTS, None)


@pytest.mark.parametrize(
    "output",
    [
        lambda y: {"loss": F.cross_entropy(y, TARGETS), "logits": y},
        lambda y: SimpleNamespace(loss=F.cross_entropy(y, TARGETS), logits=y),
    ],
    ids=["mapping", "attribute"],
)
def test_the_loss_in_the_output_is_used(output: Callable[[Tensor], Any]) -> None:
    objective = loss_of(output)
    assert torch.equal(objective(), F.cross_entropy(objective.model.net(INPUTS), TARGETS))
    assert objective.note == "loss: the output's own"


@pytest.mark.parametrize(
    "output",
    [
        lambda y: y,
        lambda y: {"logits": y, "loss": None},  # the output of Hugging Face's models without labels
        lambda y: (y[:, :2], [y[:, 2:]], TARGETS),
        lambda y: Output(y),
        lambda y: torch.complex(y, y),
        lambda y: y.bfloat16(),
    ],
    ids=["tensor", "mapping", "nested", "dataclass", "complex", "bfloat16"],
)
def test_without_a_loss_a_fixed_random_projection_is_used(output: Callable[[Tensor], Any]) -> None:
    objective = loss_of(output)
    first = objective()
    torch.manual_seed(99)
    assert torch.equal(objective(), first)
    assert first != 0.0
    assert objective.projected
    assert objective.note == "loss: a random projection of the outputs (none given)"


def test_the_projection_weights_all_outputs_equally() -> None:
    """Its gradient is a random direction of about unit length over all outputs together."""
    y = INPUTS.clone().requires_grad_(True)
    Objective(nn.Identity(), y, None)().backward()
    assert y.grad is not None
    assert 0.8 < float(y.grad.norm()) < 1.2


# --- LightningModules ---


def cross_entropy(module: Any, batch: Any) -> Tensor:
    return F.cross_entropy(module(batch[0]), batch[1])


def module(
    pl: Any, step: Callable[..., Any], optimizers: Callable[[Any], Any] | None = None, *, manual: bool = False
) -> Any:
    """Return a LightningModule of that namespace with these two methods."""

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.automatic_optimization = perceptron(), not manual

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

        training_step = step

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.1) if optimizers is None else optimizers(self)

    return Net()


def silent_check(model: nn.Module, batch: Any) -> Report:
    """Run a check without Lightning's warnings about calls outside a Trainer."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return inithealth.check(model, batch)


def logging_step(self: Any, batch: Any, batch_idx: int) -> Tensor:
    loss = cross_entropy(self, batch)
    self.log("loss", loss, prog_bar=True, on_epoch=True, sync_dist=True)
    self.log_dict({"again": loss, "step": self.global_step, "epoch": self.current_epoch})
    self.print("nothing is printed")
    assert self.all_gather(loss) is loss
    self.logger.log_metrics({"loss": loss}, step=self.global_step)
    self.logger.experiment.add_scalar("loss", loss)
    return loss


@NAMESPACES
@pytest.mark.parametrize(
    "step",
    [
        logging_step,
        lambda self, batch, batch_idx: {"loss": cross_entropy(self, batch), "seen": len(batch)},
        lambda self, batch: cross_entropy(self, batch),
        lambda self, *args: cross_entropy(self, args[0]) + args[1],
        lambda self, batch, batch_idx, dataloader_idx=0: cross_entropy(self, batch),
    ],
    ids=["logging", "dict", "batch only", "star", "dataloader_idx"],
)
def test_the_training_step_is_the_loss(pl: Any, step: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    report = silent_check(module(pl, step), BATCH)
    assert report.ok
    assert report.notes == ("loss: training_step's", "optimizer: SGD(lr=0.1)")
    assert [m.gradient is not None for m in report.measurements] == [True, True]
    assert capsys.readouterr().out == ""


def scheduled(optimizer: Optimizer) -> LRScheduler:
    return StepLR(optimizer, 1)


SHAPES: dict[str, Callable[[Any], Any]] = {
    "one": lambda m: SGD(m.parameters(), lr=0.1),
    "list": lambda m: [SGD(m.parameters(), lr=0.1)],
    "two lists": lambda m: (lambda o: ([o], [scheduled(o)]))(SGD(m.parameters(), lr=0.1)),
    "two lists with dicts": lambda m: (lambda o: ([o], [{"scheduler": scheduled(o)}]))(SGD(m.parameters(), lr=0.1)),
    "dict": lambda m: (lambda o: {"optimizer": o, "lr_scheduler": scheduled(o)})(SGD(m.parameters(), lr=0.1)),
    "dicts": lambda m: (lambda o: ({"optimizer": o, "lr_scheduler": {"scheduler": scheduled(o), "interval": "step"}},))(
        SGD(m.parameters(), lr=0.1)
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_optimizers_in_every_format(shape: str) -> None:
    automatic = module(pytorch_lightning, lambda self, batch: cross_entropy(self, batch), SHAPES[shape])
    assert silent_check(automatic, BATCH).notes[1] == "optimizer: SGD(lr=0.1)"

    def step(self: Any, batch: Any, batch_idx: int) -> None:
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        self.manual_backward(cross_entropy(self, batch))
        optimizer.step()
        assert (scheduler is None) == (shape in ("one", "list"))
        if scheduler is not None:
            scheduler.step()

    assert silent_check(module(pytorch_lightning, step, SHAPES[shape], manual=True), BATCH).ok


@pytest.mark.parametrize(
    ("optimizers", "why"),
    [
        (lambda m: None, "configure_optimizers returned none"),
        (lambda m: SGD(m.parameters(), lr=m.trainer.datamodule.lr), "raised AttributeError"),
        (lambda m: 1 / 0, "raised ZeroDivisionError"),
    ],
    ids=["none", "needs a data module", "fails"],
)
def test_without_optimizers_it_is_judged_as_sgd_with_a_note(optimizers: Callable[[Any], Any], why: str) -> None:
    net = module(pytorch_lightning, lambda self, batch: cross_entropy(self, batch), optimizers)
    report = silent_check(net, BATCH)
    assert report.notes[1].startswith("optimizer: SGD(lr=0.01) (")
    assert why in report.notes[1]


def test_the_modules_own_optimizer_is_used_with_a_given_loss_too() -> None:
    net = module(pytorch_lightning, lambda self, batch: 1 / 0, lambda m: Adam(m.parameters()))
    report = inithealth.check(net, INPUTS, loss=lambda output: F.cross_entropy(output, TARGETS))
    assert report.notes == ("loss: as given", "optimizer: Adam(lr=0.001)")


@NAMESPACES
def test_without_a_training_step_it_is_a_plain_module(pl: Any) -> None:
    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = perceptron()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

    notes = silent_check(Net(), INPUTS).notes
    assert notes[0] == "loss: a random projection of the outputs (none given)"
    assert "configure_optimizers returned none" in notes[1]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda self, batch: None, "training_step must return a scalar tensor, not NoneType: return the loss"),
        (lambda self, batch: {"los": 1}, "training_step must return a scalar tensor"),
        (lambda self, batch: self.trainer.max_steps, "training_step must return a scalar tensor, not int"),
    ],
)
def test_a_training_step_that_returns_no_loss(step: Callable[..., Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        inithealth.check(module(pytorch_lightning, step), BATCH)


def test_layers_not_yet_created_by_configure_model() -> None:
    class Late(pytorch_lightning.LightningModule):
        def configure_model(self) -> None:
            self.net = perceptron()

    with pytest.raises(
        ValueError, match=r"Late has no parameters.*configure_model or setup creates the layers, call it first"
    ):
        inithealth.check(Late(), INPUTS)


# --- manual optimization ---


def plain(self: Any, batch: Any, batch_idx: int) -> None:
    optimizer = self.optimizers()
    optimizer.zero_grad()
    self.manual_backward(cross_entropy(self, batch))
    self.clip_gradients(optimizer, gradient_clip_val=1.0, gradient_clip_algorithm="norm")
    optimizer.step()


def with_closure(self: Any, batch: Any, batch_idx: int) -> None:
    optimizer = self.optimizers()

    def closure() -> Tensor:
        loss = cross_entropy(self, batch)
        self.manual_backward(loss)
        return loss

    optimizer.step(closure=closure)


def with_tensor_backward(self: Any, batch: Any, batch_idx: int) -> Tensor:
    loss = cross_entropy(self, batch)
    loss.backward()
    self.optimizers(use_pl_optimizer=False).step()
    return loss


def with_raw_optimizer(self: Any, batch: Any, batch_idx: int) -> None:
    self.manual_backward(cross_entropy(self, batch))
    before = self.net[0].bias.detach().clone()
    self.net[0].bias.grad = torch.ones(16)
    for optimizer in (self.optimizers().optimizer, self.optimizers(use_pl_optimizer=False)):
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 0.1
    assert torch.equal(self.net[0].bias, before)


@NAMESPACES
@pytest.mark.parametrize("step", [plain, with_closure, with_tensor_backward, with_raw_optimizer])
def test_manual_optimization_is_judged_like_automatic(pl: Any, step: Callable[..., Any]) -> None:
    automatic = silent_check(module(pl, lambda self, batch: cross_entropy(self, batch)), BATCH)
    manual = silent_check(module(pl, step, manual=True), BATCH)
    assert manual.measurements == automatic.measurements


def gan(pl: Any) -> Any:
    class Gan(pl.LightningModule):
        """Two optimizers, with all related methods of Lightning."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.automatic_optimization = False
            self.generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))
            self.critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

        def training_step(self, batch: Tensor, batch_idx: int) -> None:
            to_generate, to_judge = self.optimizers()
            noise = torch.randn(len(batch), 4)
            self.toggle_optimizer(to_judge)
            fakes = self.critic(self.generator(noise).detach())
            self._descend(to_judge, F.softplus(-self.critic(batch)).mean() + F.softplus(fakes).mean())
            self.untoggle_optimizer(to_judge)
            toggled = getattr(self, "toggled_optimizer", nullcontext)  # available since Lightning 2.5.2
            with toggled(to_generate), to_generate.toggle_model():
                self._descend(to_generate, F.softplus(-self.critic(self.generator(noise))).mean())
            for scheduler in self.lr_schedulers():
                scheduler.step()

        def _descend(self, optimizer: Any, loss: Tensor) -> None:
            optimizer.zero_grad()
            self.manual_backward(loss)
            self.clip_gradients(optimizer, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
            optimizer.step()
            self.log("loss", loss, prog_bar=True)

        def configure_optimizers(self) -> Any:
            both = [Adam(self.generator.parameters(), lr=2e-4), Adam(self.critic.parameters(), lr=1e-4)]
            return both, [scheduled(optimizer) for optimizer in both]

    return Gan()


@NAMESPACES
def test_a_gan_with_two_optimizers(pl: Any) -> None:
    net = gan(pl)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    report = silent_check(net, INPUTS)
    assert report.findings == ()
    assert report.notes[1] == "optimizer: Adam(lr=0.0002), Adam(lr=0.0001)"
    assert all(m.weight_gradient for m in report.measurements)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_fault_in_a_gan_is_found() -> None:
    net = gan(pytorch_lightning)
    nn.init.constant_(net.generator[0].weight, 0.1)
    nn.init.zeros_(net.generator[0].bias)
    assert [(cause.code, cause.layers[0]) for cause in silent_check(net, INPUTS).causes] == [("IH104", "generator.0")]


def test_mapping_batches_of_a_lightning_module_are_not_unpacked() -> None:
    def step(self: Any, batch: Mapping[str, Tensor]) -> Tensor:
        return F.cross_entropy(self(batch["x"]), batch["y"])

    assert silent_check(module(pytorch_lightning, step), {"x": INPUTS, "y": TARGETS}).ok
