"""Recordings of random numbers within the ranges of their fields."""

from __future__ import annotations

import random
import types
import typing
from typing import Any

from pydantic import BaseModel

from inithealth.recording import Layer, Loss, Measurement, Probation, Recording, Signal, Step, Update, Weight

_SHAPES = ((64, 64), (96, 64), (64, 256), (16, 16), (8, 4))
_ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "hardtanh", None)
_MOST_LAYERS = 10
_LATER = ("outside_share", "phase_step", "slice_rms")  # fields that are set for single layers


def random_recording(seed: int) -> Recording:
    """Return a network of up to ten layers, with one step or 24; most values are normal, some extreme."""
    rng = random.Random(seed)
    layers = tuple(_steering(_layer(rng, place), seed) for place in range(rng.randint(3, _MOST_LAYERS)))
    count = rng.choice([1, 1, 24])
    names = [layer.weight.name for layer in layers if layer.weight is not None]
    some = lambda share=0.2: tuple(name for name in names if rng.random() < share)  # noqa: E731
    shares = lambda: {name: rng.choice([0.0, 0.3, 1.0]) for name in some(0.5)}  # noqa: E731
    return Recording(
        model="Random",
        layers=layers,
        steps=tuple(_sampling(_step(rng, layers, index), seed) for index in range(count)),
        inputs={"batch": _model(rng, Signal)} if rng.random() < 0.7 else {},
        loss=_model(rng, Loss, kind=rng.choice(["cross_entropy", "mse", "bce_logits", "projection"])),
        normalized=rng.random() < 0.3,
        trunk_normalized=rng.random() < 0.2,
        branches=rng.choice([0, 0, 3, 48]),
        layer_scale=rng.random() < 0.2,
        differentiated=rng.random() < 0.1,
        adaptive=rng.random() < 0.5,
        graph=rng.random() < 0.9,
        lost_writes={name: rng.random() for name in some(0.05)},
        probation=Probation(steps=4, settled=True, asleep=some(), zero_units=shares(), duplicates=shares())
        if rng.random() < 0.5
        else None,
        detached=tuple(layer.name for layer in layers if rng.random() < 0.03),
        unused=tuple(layer.name for layer in layers if rng.random() < 0.03),
        left_out=some(0.1),
    )


def _layer(rng: random.Random, place: int) -> Layer:
    kind = rng.choice(["linear"] * 6 + ["conv", "norm", "embedding", "rnn"])
    name, shape = f"blocks.{place}.{kind}", rng.choice(_SHAPES) if kind != "norm" else (64,)
    fans = {"fan_in": shape[1], "fan_out": shape[0]} if kind != "norm" else {}
    usual = (shape[1] ** -0.5) * 1.4 if kind not in ("norm", "embedding") else 1.0
    weight = _model(rng, Weight, name=f"{name}.weight", shape=shape, trainable=True, tied_to=(), **fans)
    rms = usual if rng.random() < 0.6 else _size(rng)
    weight = weight.model_copy(update={"rms": rms, "abs_max": 4 * rms, "mean": 0.0})
    bias = _model(rng, Weight, name=f"{name}.bias", shape=shape[:1], trainable=True, tied_to=())
    return Layer(
        name=name,
        module=name,
        kind=kind,
        type_name=kind.title(),
        place=f"blocks.{kind}.weight",
        index=place,
        weight=weight,
        bias=bias if rng.random() < 0.5 else None,
        activation=rng.choice(_ACTIVATIONS),
        feeds=rng.choice(["activation", "activation", "norm", "attention", "residual", "loss"]),
        called=True,
        reaches_loss=rng.random() < 0.95,
        unit_axis=0,
        **{field: rng.random() < 0.2 for field in _flags(Layer) if field not in ("called", "reaches_loss")},
    )


def _step(rng: random.Random, layers: tuple[Layer, ...], index: int) -> Step:
    known = {"gradient_duplicates": rng.choice([0.0, 0.0, 1.0]), "width": 64, "units": 64, "dead_samples": 256}
    measured = tuple(_model(rng, Measurement, layer=layer.name, **known) for layer in layers)
    updates = {layer.name: _model(rng, Update, rate=0.01) for layer in layers if rng.random() < 0.8}
    return Step(
        index=index,
        loss=_size(rng),
        layers=measured,
        global_gradient_norm=_size(rng),
        updates=updates,
        overflows=rng.choice([0, 0, 6]),
    )


def _steering(layer: Layer, seed: int) -> Layer:
    """One layer of each network sets positions."""
    return layer.model_copy(update={"steers": "offsets"}) if layer.index == seed % 3 else layer


def _sampling(step: Step, seed: int) -> Step:
    """The share of its sampling points outside, and the phases of a sine layer."""
    rng = random.Random(seed)
    own: dict[int, dict[str, float]] = {seed % 3: {"outside_share": rng.choice([0.0, rng.random()])}}
    own |= {(seed + 1) % 3: {"phase_step": 10 ** rng.uniform(-1, 2)}} if rng.random() < 0.1 else {}
    layers = [m.model_copy(update=own.get(place, {})) for place, m in enumerate(step.layers)]
    return step.model_copy(update={"layers": tuple(layers)})


def _model(rng: random.Random, model: type[BaseModel], **known: Any) -> Any:
    """Return a model with the known fields, and random values for the others."""
    fields = {
        name: _value(rng, name, field.annotation) for name, field in model.model_fields.items() if name not in _LATER
    }
    return model(**{**fields, **known})


def _value(rng: random.Random, name: str, annotation: Any) -> Any:
    if typing.get_origin(annotation) is typing.Annotated:  # a number with limits
        return _value(rng, name, typing.get_args(annotation)[0])
    if name.startswith("dead_") and name != "dead_share" and annotation is not int:  # see `special_recordings`
        return None
    options = typing.get_args(annotation)
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        inner = next(each for each in options if each is not type(None))
        return None if rng.random() < 0.2 else _value(rng, name, inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _model(rng, annotation)
    if annotation is bool:
        return rng.random() < 0.05
    if annotation is int:
        return {"non_finite": 0, "numel": 4096, "sampled": 4096, "classes": 10}.get(name, rng.choice([1, 8, 64]))
    if annotation is float:
        share = any(word in name for word in ("share", "between", "rows", "cosine", "unmoved", "positives", "top"))
        return rng.choice([0.0, rng.random(), rng.random(), 1.0]) if share else _size(rng)
    return () if typing.get_origin(annotation) is tuple else ""


def _size(rng: random.Random) -> float:
    return 10 ** rng.choice([rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-7, 5)])


def _flags(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.annotation is bool]
