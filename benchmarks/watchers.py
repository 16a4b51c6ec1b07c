"""Other tools that watch the layers during training, each set up as documented, on every step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth import Monitor, Settings

Step = Callable[[Tensor], None]  # after the backward pass, before the optimizer's step

DEFAULT = Settings()
EVERY = Settings(schedule="every", until=None)
NEVER = Settings(schedule=10**9, until=None)


def nothing(model: nn.Module, optimizer: Optimizer) -> Step:
    return lambda loss: None


def watched(model: nn.Module, optimizer: Optimizer) -> Step:
    return Monitor(model, optimizer=optimizer, settings=EVERY, verbose=False).__enter__().step


def unwatched(model: nn.Module, optimizer: Optimizer) -> Step:
    return Monitor(model, optimizer=optimizer, settings=NEVER, verbose=False).__enter__().step


def gradient_norms(model: nn.Module, optimizer: Optimizer) -> Step:
    """``pytorch_lightning.utilities.grad_norm``, called as documented in ``on_before_optimizer_step``."""
    from pytorch_lightning.utilities import grad_norm

    return lambda loss: [float(norm) for norm in grad_norm(model, norm_type=2).values()] and None


def wandb_watch(model: nn.Module, optimizer: Optimizer) -> Step:
    """``wandb.watch(log="all")``, logged on every step, offline."""
    import wandb

    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=tempfile.mkdtemp())
    wandb.init(project="overhead", reinit="finish_previous")
    wandb.watch(model, log="all", log_freq=1)
    return lambda loss: wandb.log({"loss": float(loss)})


def activation_stats(model: nn.Module, optimizer: Optimizer) -> Step:
    """The hook of fastai's ``ActivationStats(with_hist=True)`` on every layer with parameters."""
    from fastai.callback.hook import ActivationStats

    stats, kept = ActivationStats(with_hist=True), {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def measure(module: nn.Module, args: Any, output: Any) -> None:
            kept[name] = stats.hook(module, args, output.detach())

        return measure

    for name, module in model.named_modules():
        if list(module.parameters(recurse=False)):
            module.register_forward_hook(hook(name))
    return lambda loss: None


def ormas(model: nn.Module, optimizer: Optimizer) -> Step:
    from ormas_monitor import Monitor as Ormas

    monitor = Ormas(model, optimizer, check_every=1, out=tempfile.mkdtemp(), overwrite=True)
    return lambda loss: monitor.step(loss)


def autopsy(model: nn.Module, optimizer: Optimizer) -> Step:
    from torchmortem import Autopsy

    running = Autopsy(model, optimizer=optimizer).__enter__()
    return lambda loss: running.step(loss=loss.item())


# Name -> its setup, and what it reports for each layer.
WATCHERS: dict[str, tuple[Callable[[nn.Module, Optimizer], Step], str]] = {
    "bare": (nothing, ""),
    "inithealth, watched": (watched, "input and output levels, gradient, norm, update, dead and saturated units"),
    "inithealth, unwatched": (unwatched, "whether the loss is finite"),
    "Lightning's grad_norm": (gradient_norms, "gradient norm of each parameter"),
    "wandb.watch(log='all')": (wandb_watch, "histograms of weights and gradients"),
    "fastai ActivationStats": (activation_stats, "mean, std, share near zero, histogram of outputs"),
    "ormas-monitor": (ormas, "channels' activity"),
    "torchmortem": (autopsy, "gradients, activations, updates, ranks"),
}


def installed() -> list[str]:
    """Return the names of the tools that can be imported."""
    found = []
    for name, (make, _) in WATCHERS.items():
        probe = nn.Linear(2, 2)
        try:
            make(probe, torch.optim.SGD(probe.parameters(), lr=0.1))
        except ImportError:
            continue
        found.append(name)
    return found
