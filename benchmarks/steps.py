"""Checks that healthy runs raise no alert: every healthy host is trained with SGD and Adam, each step watched.

    python -m benchmarks.steps [--steps 150] [--hosts vit,unet] [--compiled] [--fault NAME]

Prints the runs in which a cause above "info" is found, then the number of such runs.
"""

from __future__ import annotations

import argparse
import logging
import warnings

import torch
from torch import Generator, nn

import inithealth
from benchmarks.faults.catalogue import EVERY_FAULT, HOSTS, mutant
from benchmarks.faults.hosts import Host
from benchmarks.faults.labels import OPTIMIZERS, WARM_UP
from inithealth import Finding, Settings, Severity

EVERY = Settings(schedule="every", until=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--hosts", type=lambda text: text.split(","), default=list(HOSTS))
    parser.add_argument("--fault", choices=EVERY_FAULT, help="inject this fault, to verify that it is found")
    parser.add_argument(
        "--compiled", action="store_true", help="compile the models with torch.compile and the aot_eager backend"
    )
    options = parser.parse_args()
    logging.getLogger("inithealth").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    flagged = runs = 0
    for name in options.hosts:
        for optimizer in OPTIMIZERS:
            found = alerts(HOSTS[name], optimizer, options)
            runs, flagged = runs + 1, flagged + bool(found)
            for finding in found:
                print(f"{name:20} {optimizer:5} step {finding.step:4} {finding.severity:8} {finding.code} "
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
    rate = host.rates[OPTIMIZERS.index(optimizer)]
    make = torch.optim.Adam if optimizer == "adam" else lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)
    descent, draws = make(parameters, lr=rate), Generator().manual_seed(1000)
    alerted: list[Finding] = []
    with inithealth.Monitor(model, optimizer=descent, settings=EVERY, on_alert=alerted.append) as monitor:
        for step in range(1, options.steps + 1):
            x, y = host.task.draw(draws, host.task.batch, False)
            for group in descent.param_groups:
                group["lr"] = rate * min(1.0, step / (WARM_UP * host.steps))
            descent.zero_grad()
            loss = subject.loss(model(subject.prepare(x)), y)
            loss.backward()
            monitor.step(loss)
            descent.step()
    return [finding for finding in alerted if finding.severity is not Severity.INFO]


if __name__ == "__main__":
    main()
