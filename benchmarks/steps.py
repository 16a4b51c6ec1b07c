"""Checks that healthy runs raise no alert: every healthy host is trained, each step watched.

    python -m benchmarks.steps [--steps 150] [--hosts vit,unet] [--optimizers sgd,lion] [--compiled] [--fault NAME]

Prints the runs in which a cause above "info" is found, then the number of such runs.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable

import torch
from torch import Generator, nn
from torch.optim import SGD, Adadelta, Adafactor, Adam, Muon, Optimizer

import inithealth
from benchmarks.faults.catalogue import EVERY_FAULT, HOSTS, mutant
from benchmarks.faults.hosts import Host
from benchmarks.faults.labels import WARM_UP
from inithealth import Finding, Settings, Severity

EVERY = Settings(schedule="every", until=None)
Parameters = list[nn.Parameter]


class Lion(Optimizer):
    """Steps by the sign of the momentum (Chen et al. 2023, https://arxiv.org/abs/2302.06675)."""

    def __init__(self, parameters: Parameters, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in [each for each in group["params"] if each.grad is not None]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                weight.sub_(group["lr"] * torch.lerp(weight.grad, momentum, 0.9).sign_())
                momentum.lerp_(weight.grad, 0.01)


class MuonAndAdam(Optimizer):
    """Muon for matrices and Adam for other parameters."""

    def __init__(self, parameters: Parameters, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        matrices = [each for each in parameters if each.ndim == 2]
        rest = [each for each in parameters if each.ndim != 2]
        self._parts = [make(some, lr=lr) for make, some in ((Muon, matrices), (Adam, rest)) if some]
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self._parts:
            part.step()


MAKE: dict[str, Callable[[Parameters, Host], Optimizer]] = {
    "sgd": lambda parameters, host: SGD(parameters, host.rates[0], momentum=0.9),
    "adam": lambda parameters, host: Adam(parameters, host.rates[1]),
    "adadelta": lambda parameters, host: Adadelta(parameters, 1.0),
    "adafactor": lambda parameters, host: Adafactor(parameters, 0.01),
    "lion": lambda parameters, host: Lion(parameters, host.rates[1] / 10),
    "muon": lambda parameters, host: MuonAndAdam(parameters, host.rates[1]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--hosts", type=lambda text: text.split(","), default=list(HOSTS))
    parser.add_argument("--fault", choices=EVERY_FAULT, help="inject this fault, to verify that it is found")
    parser.add_argument(
        "--compiled", action="store_true", help="compile the models with torch.compile and the aot_eager backend"
    )
    parser.add_argument("--optimizers", type=lambda text: text.split(","), default=list(MAKE), help=", ".join(MAKE))
    options = parser.parse_args()
    logging.getLogger("inithealth").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    flagged = runs = 0
    for name in options.hosts:
        for optimizer in options.optimizers:
            found = alerts(HOSTS[name], optimizer, options)
            runs, flagged = runs + 1, flagged + bool(found)
            for finding in found:
                print(f"{name:20} {optimizer:9} step {finding.step:4} {finding.severity:8} {finding.code} "
                      f"{finding.message}", flush=True)  # fmt: skip
    print(f"{flagged} of {runs} runs had an alert")


def alerts(host: Host, optimizer: str, options: argparse.Namespace) -> list[Finding]:
    """Return the causes of warnings and errors that a training run reported, in order."""
    subject, _ = mutant(host, EVERY_FAULT.get(options.fault), 0)
    model: nn.Module = subject.model
    if options.compiled:
        torch._dynamo.reset()
        model = torch.compile(model, backend="aot_eager")  # type: ignore[assignment]
    parameters = [p for p in subject.model.parameters() if p.requires_grad]
    descent, draws = MAKE[optimizer](parameters, host), Generator().manual_seed(1000)
    rates = [group["lr"] for group in descent.param_groups]
    alerted: list[Finding] = []
    with inithealth.Monitor(model, optimizer=descent, settings=EVERY, on_alert=alerted.append) as monitor:
        for step in range(1, options.steps + 1):
            x, y = host.task.draw(draws, host.task.batch, False)
            for group, rate in zip(descent.param_groups, rates, strict=True):
                group["lr"] = rate * min(1.0, step / (WARM_UP * host.steps))
            descent.zero_grad()
            loss = subject.loss(model(subject.prepare(x)), y)
            loss.backward()
            monitor.step(loss)
            descent.step()
    return [finding for finding in alerted if finding.severity is not Severity.INFO]


if __name__ == "__main__":
    main()
