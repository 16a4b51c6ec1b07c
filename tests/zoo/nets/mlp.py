"""Multi-layer perceptrons: one plan, four ways of writing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATION_MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "selu": nn.SELU,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu, "tanh": torch.tanh, "sigmoid": lambda x: x.sigmoid(), "selu": F.selu,
}  # fmt: skip
IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: F.relu(x, inplace=True), "tanh": torch.tanh_, "sigmoid": lambda x: x.sigmoid_(),
    "selu": lambda x: F.selu(x, inplace=True),
}  # fmt: skip
NORM_MODULES: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


@dataclass(frozen=True)
class Plan:
    """Widths from the inputs to the outputs, the activation after every layer except the last, and special options."""

    widths: tuple[int, ...]
    activation: str = "relu"
    norm: str | None = None  # "batch" or "layer", between weight and activation
    detached: bool = False  # the head uses the body's values without passing a gradient to it
    spare: bool = False  # a layer that is never called

    @property
    def hidden(self) -> list[tuple[int, int]]:
        return list(pairwise(self.widths[:-1]))


class Detach(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


class ModuleMLP(nn.Module):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for inputs, outputs in plan.hidden:
            body.append(nn.Linear(inputs, outputs))
            body += [NORM_MODULES[plan.norm](outputs)] if plan.norm else []
            body.append(ACTIVATION_MODULES[plan.activation]())
        body += [Detach()] if plan.detached else []
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(plan.widths[-2], plan.widths[-1])
        if plan.spare:
            self.spare = nn.Linear(plan.widths[0], plan.widths[-1])

    @property
    def linears(self) -> list[nn.Linear]:
        """Return the linear layers of the body."""
        return [module for module in self.body if isinstance(module, nn.Linear)]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of :attr:`linears`, in their order."""
        return tuple(f"body.{name}" for name, module in self.body.named_children() if isinstance(module, nn.Linear))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


class FunctionMLP(nn.Module):
    """Layers are submodules, and functions are used between them."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.activation = FUNCTIONS[plan.activation]
        self.detached = plan.detached
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in plan.hidden)
        self.norms = nn.ModuleList(NORM_MODULES[plan.norm](pair[1]) for pair in plan.hidden if plan.norm)
        self.out = nn.Linear(plan.widths[-2], plan.widths[-1])
        if plan.spare:
            self.extra = nn.Linear(plan.widths[0], plan.widths[-1])

    def parameter_order(self) -> list[str]:
        lists = ("layers", "norms") if self.norms else ("layers",)
        stems = [f"{held}.{i}" for i in range(len(self.layers)) for held in lists]
        stems += ["out"] + (["extra"] if hasattr(self, "extra") else [])
        return [f"{stem}.{kind}" for stem in stems for kind in ("weight", "bias")]

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = self.activation(self.norms[i](x) if self.norms else x)
        out: Tensor = self.out(x.detach() if self.detached else x)
        return out


class ParameterMLP(nn.Module):
    """Weights are in lists, used by ``F.linear``; activations are in place."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        pairs = list(pairwise(plan.widths))
        self.w = nn.ParameterList(torch.empty(outputs, inputs) for inputs, outputs in pairs)
        self.b = nn.ParameterList(torch.empty(outputs) for _, outputs in pairs)
        normed = plan.hidden if plan.norm else []
        self.scale = nn.ParameterList(torch.empty(outputs) for _, outputs in normed)
        self.shift = nn.ParameterList(torch.empty(outputs) for _, outputs in normed)
        if plan.spare:
            self.spare_w = nn.Parameter(torch.empty(plan.widths[-1], plan.widths[0]))
            self.spare_b = nn.Parameter(torch.empty(plan.widths[-1]))

    def parameter_order(self) -> list[str]:
        lists = ("w", "b", "scale", "shift") if self.plan.norm else ("w", "b")
        last = len(self.w) - 1
        hidden = [f"{held}.{i}" for i in range(last) for held in lists]
        return [*hidden, f"w.{last}", f"b.{last}"] + (["spare_w", "spare_b"] if self.plan.spare else [])

    def normalize(self, x: Tensor, i: int) -> Tensor:
        if self.plan.norm == "batch":
            return F.batch_norm(x, None, None, self.scale[i], self.shift[i], training=True)
        return F.layer_norm(x, x.shape[-1:], self.scale[i], self.shift[i]) if self.plan.norm else x

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.w) - 1
        for i in range(last):
            x = IN_PLACE[self.plan.activation](self.normalize(F.linear(x, self.w[i], self.b[i]), i))
        return F.linear(x.detach() if self.plan.detached else x, self.w[last], self.b[last])


class MatmulMLP(nn.Module):
    """Weights are attributes of the model itself, ``(inputs, outputs)``, used by ``@``; no norms."""

    transposed = True

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        for i, (inputs, outputs) in enumerate(pairwise(plan.widths)):
            self.register_parameter(f"weight{i}", nn.Parameter(torch.empty(inputs, outputs)))
            self.register_parameter(f"bias{i}", nn.Parameter(torch.empty(outputs)))
        if plan.spare:
            self.spare_weight = nn.Parameter(torch.empty(plan.widths[0], plan.widths[-1]))
            self.spare_bias = nn.Parameter(torch.empty(plan.widths[-1]))

    def affine(self, x: Tensor, i: int) -> Tensor:
        out: Tensor = x @ self.get_parameter(f"weight{i}") + self.get_parameter(f"bias{i}")
        return out

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.plan.widths) - 2
        for i in range(last):
            x = FUNCTIONS[self.plan.activation](self.affine(x, i))
        return self.affine(x.detach() if self.plan.detached else x, last)


def twins(plan: Plan) -> dict[str, Callable[[], nn.Module]]:
    """Return the other ways of writing the plan."""
    ways: dict[str, Callable[[], nn.Module]] = {
        "functions": lambda: FunctionMLP(plan),
        "parameters": lambda: ParameterMLP(plan),
    }
    return ways if plan.norm else {**ways, "matmul": lambda: MatmulMLP(plan)}
