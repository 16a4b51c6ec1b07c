"""Faulty networks: the report must name the layer and the severity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from inithealth import Severity

from . import batches, inits
from .case import Case
from .healthy import classifying, deep, perceptron
from .nets import conv, mlp

SCALE = ("IH106", "IH201", "IH202", "IH205", "IH301", "IH302")  # correct codes if all weights have the same wrong scale


def he_perceptron(name: str, hidden: int = 9, activation: str = "relu") -> tuple[mlp.ModuleMLP, Case]:
    """Return the healthy base network of most faults."""
    model, case = perceptron(name, mlp.Plan(deep(hidden), activation))
    inits.scaled(model, 2**0.5 if activation == "relu" else 1.0)
    return model, case


def everywhere(model: mlp.ModuleMLP) -> tuple[str, ...]:
    return (*model.names, "head")


def faulty(case: Case, root_cause_layer: tuple[str, ...], *codes: str, severity: Severity = Severity.ERROR) -> Case:
    return replace(case, root_cause_layer=root_cause_layer, codes=codes, severity=severity)


def all_zero() -> Case:
    model, case = he_perceptron("all_zero", 4)
    inits.fill(model, 0.0)
    return faulty(case, everywhere(model), "IH103")


def all_constant() -> Case:
    model, case = he_perceptron("all_constant", 4)
    inits.fill(model, 0.02)
    return faulty(case, everywhere(model), "IH104")


def duplicated_units() -> Case:
    """Half of a layer's units are copies with equal outgoing weights, so their gradients stay equal."""
    model, case = he_perceptron("duplicated_units", 4)
    inits.duplicate(model.linears[1], model.linears[2])
    return faulty(case, (model.names[1],), "IH105")


def duplicated_filters() -> Case:
    torch.manual_seed(7)
    model = conv.ModuleConv()
    inits.duplicate(model.convs[1], model.convs[2])
    case = classifying("duplicated_filters", model, batches.pictures(), conv.CONV_TWINS)
    return faulty(case, ("body.2",), "IH105")


def unit_normal_relu() -> Case:
    model, case = he_perceptron("unit_normal_relu")
    inits.normal(model, 1.0)
    return faulty(case, everywhere(model), *SCALE)


def unit_normal_tanh() -> Case:
    model, case = he_perceptron("unit_normal_tanh", activation="tanh")
    inits.normal(model, 1.0)
    return faulty(case, everywhere(model), *SCALE)


def xavier_relu_50() -> Case:
    model, case = perceptron("xavier_relu_50", mlp.Plan(deep(49)))
    inits.xavier(model)
    return faulty(case, everywhere(model), *SCALE)


def default_relu_50() -> Case:
    model, case = perceptron("default_relu_50", mlp.Plan(deep(49)))
    return faulty(case, everywhere(model), *SCALE)


def twice_he_40() -> Case:
    """Twice He's variance: each layer amplifies the signal by the square root of two."""
    model, case = he_perceptron("twice_he_40", 39)
    inits.scaled(model, 2.0)
    return faulty(case, everywhere(model), *SCALE)


def small_middle() -> Case:
    model, case = he_perceptron("small_middle")
    with torch.no_grad():
        for layer in model.linears[4:7]:
            layer.weight.mul_(0.02)
    return faulty(case, model.names[4:7], "IH106")


def deep_bias() -> Case:
    model, case = he_perceptron("deep_bias", 4)
    nn.init.constant_(model.linears[1].bias, -20.0)
    return faulty(case, (model.names[1],), "IH204")


def nan_weight() -> Case:
    model, case = he_perceptron("nan_weight", 4)
    with torch.no_grad():
        model.linears[2].weight[3, 5] = float("nan")
    return faulty(case, (model.names[2],), "IH101")


def infinite_weight() -> Case:
    model, case = he_perceptron("infinite_weight", 4)
    with torch.no_grad():
        model.linears[2].weight[3, 5] = float("inf")
    return faulty(case, (model.names[2],), "IH101")


def loud_head() -> Case:
    model, case = he_perceptron("loud_head", 4)
    with torch.no_grad():
        model.head.weight.mul_(200)
    return faulty(case, ("head",), "IH106")


def detached_body() -> Case:
    model, case = perceptron("detached_body", mlp.Plan(deep(4), detached=True))
    inits.scaled(model, 2**0.5)
    return faulty(case, model.names, "IH304")


def sigmoid_20() -> Case:
    model, case = perceptron("sigmoid_20", mlp.Plan(deep(19), "sigmoid"))
    inits.xavier(model)
    return faulty(case, everywhere(model), *SCALE)


def constant_between_random() -> Case:
    """One constant layer: the outgoing weights differ, so its units diverge at the first step."""
    model, case = he_perceptron("constant_between_random", 4)
    nn.init.constant_(model.linears[1].weight, 0.05)
    return faulty(case, (model.names[1],), "IH104", "IH105", severity=Severity.WARNING)


def trainable_saturation() -> Case:
    """Most tanh units of the first layer are saturated; the others train."""
    model, case = he_perceptron("trainable_saturation", 2, "tanh")
    inits.scaled(model.linears[0], 5.0)
    return faulty(case, (model.names[0],), "IH205", "IH106", severity=Severity.WARNING)


def never_called() -> Case:
    model, case = perceptron("never_called", mlp.Plan(deep(4), spare=True))
    inits.scaled(model, 2**0.5)
    return faulty(case, ("spare",), "IH304", severity=Severity.INFO)


FAULTY: tuple[Callable[[], Case], ...] = (
    all_zero, all_constant, duplicated_units, duplicated_filters, unit_normal_relu, unit_normal_tanh, xavier_relu_50,
    default_relu_50, twice_he_40, small_middle, deep_bias, nan_weight, infinite_weight, loud_head, detached_body,
    sigmoid_20, constant_between_random, trainable_saturation, never_called,
)  # fmt: skip
