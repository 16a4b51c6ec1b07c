"""Synthetic recordings for cases that no small network shows."""

from __future__ import annotations

from typing import Any

from inithealth import Finding, Rule
from inithealth.recording import Layer, Measurement, Recording, Signal, Step, Weight

NUMEL = 64 * 96


def signal(rms: float = 1.0, **more: Any) -> Signal:
    known = {"numel": NUMEL, "sampled": NUMEL, "mean": 0.0, "abs_max": 4 * rms, "zero_share": 0.0, "non_finite": 0}
    return Signal.model_validate({**known, "rms": rms, **more})


def weight(name: str, rms: float = (2 / 96) ** 0.5, **more: Any) -> Weight:
    """Return a matrix of 96 units with 96 inputs, with He initialization."""
    known: dict[str, Any] = {
        "shape": (96, 96),
        "trainable": True,
        "mean": 0.0,
        "abs_max": 4 * rms,
        "zero_share": 0.0,
        "non_finite": 0,
        "constant": False,
        "fan_in": 96,
        "fan_out": 96,
    }
    return Weight.model_validate({**known, "name": name, "rms": rms, **more})


def layer(name: str, index: int, **more: Any) -> Layer:
    """Return a linear layer that feeds a ReLU; ``weight`` is a dict of changed fields of its weight."""
    changes = {"name": f"{name}.weight", **more.pop("weight", {})}
    known: dict[str, Any] = {
        "module": name,
        "kind": "linear",
        "type_name": "Linear",
        "activation": "relu",
        "feeds": "activation",
        "called": True,
        "reaches_loss": True,
        "unit_axis": 0,
    }
    return Layer.model_validate(
        {**known, "name": name, "index": index, "weight": weight(**changes).model_dump(), **more}
    )


def stack(count: int = 5, **changes: dict[str, Any]) -> tuple[Layer, ...]:
    """Return layers fc0, fc1 ... and a head; ``changes`` by layer name."""
    names = [f"fc{number}" for number in range(count - 1)]
    body = [layer(name, index, **changes.get(name, {})) for index, name in enumerate(names)]
    right = {"rms": 96**-0.5}
    head = {"head": True, "activation": None, "feeds": "loss", "weight": right, **changes.get("head", {})}
    return (*body, layer("head", count - 1, **head))


def measured(
    layers: tuple[Layer, ...],
    outputs: dict[str, float] | None = None,
    gradients: dict[str, float] | None = None,
    **more: dict[str, Any],
) -> tuple[Measurement, ...]:
    """Return measurements with the rms of each layer's output and its gradient, by default 1; ``more`` by name."""
    return tuple(
        Measurement.model_validate(
            {
                "layer": each.name,
                "input": signal().model_dump(),
                "output": signal((outputs or {}).get(each.name, 1.0)).model_dump(),
                "gradient": signal((gradients or {}).get(each.name, 1.0)).model_dump(),
                "weight_gradient": 1.0,
                **more.get(each.name, {}),
            }
        )
        for each in layers
    )


def recording(
    layers: tuple[Layer, ...] | None = None, measurements: tuple[Measurement, ...] | None = None, **more: Any
) -> Recording:
    """Return one step of a healthy network of five layers, with the given changes."""
    layers = stack() if layers is None else layers
    measurements = measured(layers) if measurements is None else measurements
    steps = more.pop("steps", (Step(index=0, loss=2.3, layers=measurements),))
    return Recording.model_validate(
        {"model": "MLP", "layers": layers, "steps": steps, "inputs": {"batch": signal()}, **more}
    )


def judge(rule: type[Rule], of: Recording, **options: Any) -> list[Finding]:
    """Return the findings of one rule for a recording."""
    return list(rule(**options).check(of))


def residual(blocks: int, *, std: float = 0.02, norm: bool = True, **changes: dict[str, Any]) -> tuple[Layer, ...]:
    """Return blocks of a norm, a first and a last layer around a trunk; ``changes`` by role: norm, enter, leave."""
    layers: list[Layer] = [layer("stem", 0, feeds="layer", activation=None, weight={"rms": 0.1})]
    for number in range(blocks):
        roles: dict[str, dict[str, Any]] = {
            "enter": {"reads_norm": norm, "reads_trunk": not norm},
            "leave": {"ends_branch": True, "feeds": "residual", "activation": None},
        }
        if norm:
            roles = {"norm": {"kind": "norm", "type_name": "LayerNorm", "reads_trunk": True}, **roles}
        for role, known in roles.items():
            size = {"shape": (96,), "rms": 1.0, "fan_in": None, "fan_out": None} if role == "norm" else {"rms": std}
            more = {**known, **changes.get(role, {})}
            more["weight"] = {**size, **changes.get(role, {}).get("weight", {})}
            layers.append(layer(f"h.{number}.{role}", len(layers), bypassable=True, **more))
    return (*layers, layer("head", len(layers), head=True, activation=None, feeds="loss"))


def gpt(
    blocks: int = 12, *, attention: float, output: float, gate: float = 0.02, gates: bool = True
) -> tuple[Layer, ...]:
    """Return pre-norm blocks of attention and a gated layer with std 0.02, with the given changes."""
    layers: list[Layer] = []
    for number in range(blocks):
        roles: dict[str, dict[str, Any]] = {
            "wq": {"feeds": "attention"},
            "wk": {"feeds": "attention"},
            "wo": {"ends_branch": True, "feeds": "residual", "weight": {"rms": attention}},
            "w1": {"weight": {"shape": (384, 96), "fan_out": 384}},
            "w3": {"feeds": "gate", "weight": {"shape": (384, 96), "fan_out": 384, "rms": gate}},
            "w2": {
                "ends_branch": True,
                "feeds": "residual",
                "weight": {"shape": (96, 384), "fan_in": 384, "rms": output},
            },
        }
        for role, special in roles.items():
            weight = {"rms": 0.02, **special.get("weight", {})}
            layers.append(layer(f"h.{number}.{role}", len(layers), bypassable=True, **{**special, "weight": weight}))
    return tuple(layers)
