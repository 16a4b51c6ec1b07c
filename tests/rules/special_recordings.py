"""Recordings with one special property each, which independent random values do not have."""

from __future__ import annotations

import random
from typing import Any

from inithealth.recording import (
    Decay,
    ForwardWrite,
    GeneratedWeight,
    Layer,
    Loss,
    Measurement,
    Probation,
    Recording,
    Signal,
    Step,
    Update,
    ZeroFactor,
)

_SHAPES = ((64, 64), (96, 64), (64, 256))


def special_recording(seed: int) -> Recording:
    """Return a network in which most layers share one special property."""
    rng = random.Random(seed)
    return _KINDS[seed % len(_KINDS)](rng)


def blocked_recording(seed: int) -> Recording:
    """Layers beside the main path without gradient, because of a buffer at zero or for a reason that is not known."""
    rng = random.Random(seed)
    layers = _plain(rng, 8, bypassable=lambda rng, place: True, place=lambda rng, place: f"part{place}.weight")
    stopped = tuple(layer.parameter for layer in layers[: rng.choice([1, 3, 6])])
    zeros = ZeroFactor(names=("scale",), text="buffer", parameters=stopped)
    probation = Probation(steps=4, settled=True, asleep=stopped)
    idle = tuple(layer.name for layer in layers[: len(stopped)])
    return _once(rng, layers, probation=probation, idle=idle, zero_factors=rng.choice([(zeros,), ()]))


def zero_recording(seed: int) -> Recording:
    """Layers at exactly zero without gradient, from a few to all, some of them at the ends of branches."""
    rng = random.Random(seed)
    amount = rng.choice([2, 6, 8])
    zeros = [{"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0} if n < amount else {} for n in range(8)]
    ends = rng.random() < 0.5
    layers = _plain(
        rng, 8, weight=lambda rng, place: zeros[place], ends_branch=lambda rng, place: ends and place % 2 == 1
    )
    stuck = tuple(layer.parameter for layer in layers[:amount])
    return _once(rng, layers, probation=Probation(steps=4, settled=True, asleep=stuck))


def _plain(rng: random.Random, count: int, **changes: Any) -> tuple[Layer, ...]:
    """Return linear layers of various shapes with He initialization, and a head; ``changes`` are called for each."""
    layers = []
    for place in range(count):
        name, shape = f"blocks.{place}.fc", rng.choice(_SHAPES)
        fresh = {"mean": 0.0, "zero_share": 0.0, "non_finite": 0, "constant": False, "kurtosis": 3.0, "trainable": True}
        fans = {"fan_in": shape[1], "fan_out": shape[0], "rms": (2 / shape[1]) ** 0.5, "abs_max": 0.9}
        known = {"weight": {"name": f"{name}.weight", "shape": shape, **fresh, **fans}, "head": place == count - 1}
        own = {key: change(rng, place) for key, change in changes.items()}
        known["weight"].update(own.pop("weight", {}))
        flow = {"activation": "relu", "feeds": "activation", "called": True, "reaches_loss": True, "unit_axis": 0}
        more = {"name": name, "module": name, "kind": "linear", "type_name": "Linear", "index": place}
        layers.append(Layer.model_validate({**more, "place": "blocks.fc.weight", **flow, **known, **own}))
    return tuple(layers)


def _deep(rng: random.Random) -> Recording:
    """Return directions and gradients that decrease with depth, and a loss that does not change."""
    layers = _plain(rng, rng.choice([8, 60]))
    fade, fall, start = rng.choice([1.0, 0.7, 0.9]), rng.choice([0.75, 0.3, 0.2]), rng.choice([40.0, 3.0])
    line, end = rng.choice([1.02, 1.05]), rng.choice([1.05, 1.15, 5.0])
    steps = []
    for index in range(24):
        measured = [
            Measurement(
                layer=layer.name,
                input=_signal(1.0),
                output=_signal(1.0),
                gradient=_signal(fade ** (len(layers) - place)),
                effective=end if layer.head else max(line, start * fall**place),
                width=64,
            )
            for place, layer in enumerate(layers)
        ]
        steps.append(Step(index=index * rng.choice([3, 4]), loss=2.3 - 1e-3 * rng.random(), layers=tuple(measured)))
    return Recording(model="Deep", layers=layers, steps=tuple(steps), inputs={"batch": _signal(1.0)})


def _scaled(rng: random.Random) -> Recording:
    """Return weights that are all scaled by one factor, or have one std for any shape."""
    factor, std = 2 ** rng.uniform(-8, 8), rng.choice([None, 0.005, 0.02, 0.03, 0.2, 1.0])
    size = lambda rng, place: {"rms": std or factor * 0.1 * rng.uniform(0.9, 1.1)}  # noqa: E731
    layers = _plain(rng, rng.choice([5, 8]), weight=size, normed=lambda rng, place: factor > 1)
    made = _once(rng, layers, normalized=factor > 1, loss=Loss(kind="mse"))
    return _amplified(made, rng.choice([1e-5, 1e-3])) if factor < 0.3 and rng.random() < 0.5 else made


def _amplified(recording: Recording, between: float) -> Recording:
    """Return a recording with a normalization, in which this share of the inputs differs between samples."""
    first, (step,) = recording.layers[0], recording.steps
    assert first.weight is not None
    weight = first.weight.model_copy(
        update={"name": "norm.weight", "rms": 1.0, "shape": (64,), "fan_in": None, "fan_out": None}
    )
    norm = first.model_copy(update={"name": "norm", "module": "norm", "kind": "norm", "index": 99, "weight": weight})
    alike = tuple(m.model_copy(update={"input": _signal(1.0, between=between)}) for m in step.layers)
    steps = (step.model_copy(update={"layers": alike}),)
    return recording.model_copy(update={"layers": (*recording.layers, norm), "steps": steps, "normalized": True})


def _residual(rng: random.Random) -> Recording:
    """Return residual branches; some of their ends are scaled down by the depth."""
    blocks, smaller = rng.choice([2, 3, 6]), rng.choice([0.9, 1.1, 1.0])
    names = ("qkv", "out", "fc", "proj")
    left_out = rng.choice(["out", "proj", "none"])
    layers = []
    for place, layer in enumerate(_plain(rng, 4 * blocks + 1)):
        role, block = names[place % 4], place // 4
        ends = role in ("out", "proj") and place < 4 * blocks
        name = f"h.{block}.{role}" if place < 4 * blocks else "head"
        rms = 0.02 * (smaller / (2 * blocks) ** 0.5 if ends and role != left_out else 1.0)
        weight = {**layer.weight.model_dump(), "rms": rms * rng.uniform(0.99, 1.01), "name": f"{name}.weight"}
        flow = {"ends_branch": ends, "reads_trunk": role in ("qkv", "fc"), "bypassable": place < 4 * blocks}
        known = {"name": name, "module": name, "place": f"h.{role}.weight", "weight": {**weight, "shape": (64, 64)}}
        layers.append(Layer.model_validate({**layer.model_dump(), **known, **flow, "feeds": "residual"}))
    return _once(rng, tuple(layers), branches=2 * blocks, normalized=rng.random() < 0.5)


def _trained(rng: random.Random) -> Recording:
    """Return layers of which some have spectra of trained weights, and some would be faulty if they were new."""
    share, shape = rng.choice([0.3, 0.6, 0.9]), rng.choice(_SHAPES[:2])
    weight = lambda rng, place: {  # noqa: E731
        "spectral_edge": rng.uniform(1.2, 3.0) if rng.random() < share else 1.0,
        "shape": shape,
        "row_cosine": rng.choice([0.0, 0.0, 0.7]),
        "rms": rng.choice([0.1, 2.0]),
        "tiny_share": rng.choice([0.0, 0.40123]),
        "abs_max": 0.3,
    }
    return _once(rng, _plain(rng, rng.choice([4, 8]), weight=weight))


def _missed(rng: random.Random) -> Recording:
    """Return layers of which some have the default and the others one scheme, and some extreme values."""
    scheme = lambda rng, place: {"name": rng.choice(["kaiming"] * 3 + ["torch_default"]), "text": "some scheme"}  # noqa: E731
    bias = lambda rng, place: {  # noqa: E731
        "name": "bias", "shape": (64,), "trainable": True, "mean": 0.0, "rms": 0.1, "zero_share": 0.0,
        "non_finite": 0, "constant": False, "abs_max": rng.choice([0.01, 0.2, 1.0]),
    }  # fmt: skip
    weight = lambda rng, place: {"abs_max": rng.choice([0.9, 3e10]), "rms": rng.choice([0.1, 0.12, 5e8])}  # noqa: E731
    lost = {f"blocks.{place}.fc.weight": rng.uniform(0.1, 0.14) for place in range(rng.choice([0, 3]))}
    return _once(rng, _plain(rng, rng.choice([5, 9]), scheme=scheme, bias=bias, weight=weight), lost_writes=lost)


def _constant(rng: random.Random) -> Recording:
    """Return weights that are mostly constant or one-sided, tied embeddings, and wide logits."""
    share = rng.choice([0.0, 0.9])
    alike = lambda rng, place: {  # noqa: E731
        "constant": rng.random() < share, "row_cosine": 0.9, "duplicate_rows": rng.choice([0.0] * 9 + [1.0]),
        "tied_to": ("head.weight",) if place == 0 else (), "rms": rng.choice([0.1, 0.5]),
    }  # fmt: skip
    kind = lambda rng, place: "embedding" if place == 0 else "linear"  # noqa: E731
    layers = _plain(rng, rng.choice([2, 6, 12]), weight=alike, kind=kind)
    loss = Loss(kind="cross_entropy", classes=10, logits_std=rng.choice([1.0, 9.0, 40.0]))
    return _once(rng, layers, size=rng.choice([1.0, 1.0, 8.0, 20.0]), fade=rng.choice([1.0, 0.5]), loss=loss)


def odd_recording(seed: int) -> Recording:
    """Return heads in a list whose biases differ, with stacks of matrices that differ."""
    rng = random.Random(seed)
    prior, others = -(10 ** rng.uniform(-2, 2)), rng.choice([1, 2])
    count = rng.choice([3, 4, 6])
    bias = lambda rng, place: {  # noqa: E731
        "name": f"blocks.{place}.bias", "shape": (64,), "trainable": True, "mean": 0.0 if place < others else prior,
        "rms": 0.0 if place < others else -prior, "zero_share": 0.0, "non_finite": 0, "constant": True,
        "abs_max": 0.0 if place < others else -prior,
    }  # fmt: skip
    far = 2 ** rng.uniform(-4, 4)
    stack = lambda rng, place: {"slice_rms": (*[far * 0.1] * others, *[0.1] * (count - others))}  # noqa: E731
    layers = _plain(rng, count, bias=bias, weight=stack, head=lambda rng, place: True)
    return _once(rng, layers)


def _half(rng: random.Random) -> Recording:
    """Return half precision: gradients rounded to zero, updates without effect, outputs close to an overflow."""
    layers = _plain(rng, 6, weight=lambda rng, place: {"half_precision": True})
    steps = []
    for index in range(6):
        small, large = 10 ** rng.uniform(-9, -6), rng.choice([1.0, 30_000.0])
        known = {"output": _signal(large, float16=True, abs_max=large), "gradient": _signal(small, float16=True)}
        measured = [Measurement(layer=layer.name, weight_gradient=1.0, **known) for layer in layers]
        updates = {layer.name: Update(weight=1.0, change=1e-4, unmoved=rng.random(), rate=0.01) for layer in layers}
        overflows = rng.choice([0, 5])
        steps.append(Step(index=index, loss=2.3, layers=tuple(measured), updates=updates, overflows=overflows))
    return Recording(model="Half", layers=layers, steps=tuple(steps))


def normalized_recording(seed: int) -> Recording:
    """Return a normalized stack without skips whose weights are small, or whose samples become alike."""
    rng = random.Random(seed)
    small = {"rms": rng.choice([0.001, 0.01]), "row_cosine": 0.0}
    layers = _plain(rng, rng.choice([9, 16]), normed=lambda rng, place: True, weight=lambda rng, place: dict(small))
    step, fade = _once(rng, layers, fade=rng.choice([1.0, 0.8])).steps[0], rng.choice([1e-5, 1e-4, 1e-2, 1.0])
    gradient = rng.choice([0.01, 1.0, 10.0])
    measured = tuple(
        m.model_copy(update={"weight_gradient": gradient, "input": _signal(1.0, between=fade)}) for m in step.layers
    )
    rate = rng.choice([None, 0.01])
    steps = (step.model_copy(update={"layers": measured}),)
    more = {"normalized": True, "rate": rate, "adaptive": rate is not None and rng.random() < 0.5}
    return Recording(model="Normalized", layers=layers, steps=steps, **more)


def bounded_recording(seed: int) -> Recording:
    """Return a network with an activation before its loss."""
    rng = random.Random(seed)
    layers = _plain(rng, 4)
    kind = rng.choice(["cross_entropy", "bce_logits"])
    source, span, lowest = rng.choice([("sigmoid", 1.0, 0.0), ("tanh", 2.0, -1.0), ("relu", None, 0.0)])
    loss = Loss(
        kind=kind, classes=10, source=source, span=span, lowest=lowest, base=0.3, over_base=2.0, positives=0.1,
        heads=(layers[-1].name,),
    )  # fmt: skip
    return _once(rng, layers, loss=loss, losses=(loss,))


def cosine_recording(seed: int) -> Recording:
    """Return a network whose logits are cosines, multiplied by a constant."""
    rng = random.Random(seed)
    layers = _plain(rng, 4)
    scale, classes = rng.choice([0.5, 1.0, 4.0]), rng.choice([10, 200])
    known = {"source": "cosine", "span": 2 * scale, "lowest": -scale, "heads": (layers[-1].name,)}
    loss = Loss(kind="cross_entropy", classes=classes, logits_std=0.2 * scale, **known)
    return _once(rng, layers, loss=loss, losses=(loss,))


def likelihood_recording(seed: int) -> Recording:
    """Return a network that predicts the variances of a Gaussian likelihood."""
    rng = random.Random(seed)
    layers = _plain(rng, 4)
    size, excess = rng.choice([1.0, 5.0, 9.0]), rng.choice([1.0, 3.0, 40.0])
    loss = Loss(kind="gaussian_nll", value=1.0 + excess, base=1.0, log_variance=size, heads=(layers[-1].name,))
    return _once(rng, layers, loss=loss, losses=(loss,))


def recurrent_recording(seed: int) -> Recording:
    """Return recurrent layers with the share of their states that last."""
    rng = random.Random(seed)
    layers = _plain(rng, 4)
    lasting = rng.choice([0.0, 0.05, 0.4, 1.0])
    known = {"bias": "", "rates": ("blocks.0.a_log",), "memory": 20 * lasting}
    decays = tuple(Decay(layer=layer.name, lasting=lasting, **known) for layer in layers[:2])
    return _once(rng, layers, decays=decays)


def generated_recording(seed: int) -> Recording:
    """Return layers that generate the weights of a chain of products, all of one scale."""
    rng = random.Random(seed)
    layers, gain = _plain(rng, rng.choice([2, 4])), 2 ** rng.choice([-5.0, -3.0, 0.0, 1.1, 1.6, 3.0])
    known = {"rms": gain / 8, "fan_in": 64, "fan_out": 64}
    weights = tuple(
        GeneratedWeight(layer=layer.name, upstream=place - 1 if place else None, **known)
        for place, layer in enumerate(layers)
    )
    return _once(rng, layers, generated=weights)


def regression_recording(seed: int) -> Recording:
    """Return a network whose predictions are larger than the targets, sometimes because of the head's bias."""
    rng = random.Random(seed)
    layers = _plain(rng, 4)
    head = layers[-1]
    if rng.random() < 0.5 and head.weight is not None:
        bias = head.weight.model_copy(update={"name": "head.bias", "rms": 1.0, "shape": (64,)})
        layers = (*layers[:-1], head.model_copy(update={"bias": bias}))
    size = rng.choice([5.0, 20.0, 100.0])
    loss = Loss(kind="mse", prediction_rms=size, target_rms=1.0, value=size**2, base=1.0, over_base=size**2)
    loss = loss.model_copy(update={"heads": (head.name,)})
    return _once(rng, layers, loss=loss, losses=(loss,))


def _once(
    rng: random.Random, layers: tuple[Layer, ...], *, size: float = 1.0, fade: float = 1.0, **more: Any
) -> Recording:
    known = {"input": _signal(1.0), "output": _signal(size)}
    depth = len(layers)
    measured = tuple(
        Measurement(layer=layer.name, gradient=_signal(fade ** (depth - place)), **known)
        for place, layer in enumerate(layers)
    )
    step = Step(index=0, loss=2.3, layers=measured)
    return Recording(model="Special", layers=layers, steps=(step,), inputs={"batch": _signal(1.0)}, **more)


def _signal(rms: float, **more: Any) -> Signal:
    known = {"numel": 4096, "sampled": 4096, "mean": 0.0, "zero_share": 0.0, "non_finite": 0, "abs_max": 4 * rms}
    return Signal(**{**known, "rms": rms, **more})


def _shut(rng: random.Random) -> Recording:
    """Layers all of whose units are dead, some of which a bias of zero or a new weight opens."""
    small, units = rng.choice([1.0, 1.0, 1e-3]), rng.choice([1, 4, 20])
    bias = lambda rng, place: {  # noqa: E731
        "name": f"blocks.{place}.fc.bias", "shape": (64,), "trainable": True, "mean": -1.0, "rms": 1.0,
        "zero_share": 0.0, "non_finite": 0, "constant": True, "abs_max": 1.0,
    }  # fmt: skip
    layers = _plain(rng, 4, weight=lambda rng, place: {"rms": 0.1 * small}, bias=bias)
    recording = _once(rng, layers)
    without, redrawn = rng.choice([0.0, 0.3, 1.0]), rng.choice([0.0, 0.5, 0.9])
    dead = {"dead_share": 1.0, "units": units, "dead_without_bias": without, "dead_redrawn": redrawn}
    measured = tuple(m.model_copy(update=dead) for m in recording.steps[0].layers)
    return recording.model_copy(update={"steps": (Step(index=0, loss=2.3, layers=measured),)})


def _written(rng: random.Random) -> Recording:
    """Factors that the forward pass sets, some for channels without variance."""
    layers = _plain(rng, 4, weight=lambda rng, place: {"rms": 0.1})
    constants = rng.choice([0, 1])
    writes = {
        layer.parameter: ForwardWrite(contrast=rng.choice([5.0, 500.0]), constants=constants, channels=64)
        for layer in layers
    }
    return _once(rng, layers, forward_writes=writes)


_KINDS = (_deep, _scaled, _residual, _trained, _missed, _constant, _half, _scaled, _shut, _scaled, _written)
