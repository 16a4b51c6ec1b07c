"""Solvers of PINA for the Poisson equation: a plain one, and one with an adversary and manual optimization."""

from __future__ import annotations

from typing import Any

from pina import Trainer
from pina.model import FeedForward
from pina.problem.zoo import Poisson2DSquareProblem
from pina.solver import CompetitivePhysicsInformedSolver, PhysicsInformedSingleModelSolver

from .run import Run


def runs() -> list[Run]:
    """Return the solvers with the default sizes of their networks."""
    return [
        _run(PhysicsInformedSingleModelSolver),
        _run(CompetitivePhysicsInformedSolver, "manual optimization, two optimizers"),
    ]


def _run(kind: type[Any], note: str = "") -> Run:
    def fit(options: dict[str, Any]) -> None:
        problem = Poisson2DSquareProblem()
        problem.discretise_domain(64, "random")
        solver = kind(problem, FeedForward(input_dimensions=2, output_dimensions=1))
        Trainer(solver, max_epochs=2000, **options).train()

    return Run(f"pina-mathlab/{kind.__name__}", fit, kind=note)
