"""Frozen numbers from a live network: no tensor gets past this point."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, PrivateAttr

from inithealth.layer_kinds import Kind
from inithealth.recorded_tensor import Frozen
from inithealth.recorded_tensor import Scheme as Scheme
from inithealth.recorded_tensor import Signal as Signal
from inithealth.recorded_tensor import Weight as Weight

EARLY = 9  # recorded steps after the first, that later ones are compared with: zero starts have woken by then


class _Frozen(BaseModel):
    model_config = Frozen.model_config


Feeds = Literal["activation", "norm", "attention", "residual", "gate", "layer", "loss", "unused", "unknown"]


class Layer(_Frozen):
    """A weight and its place in the network."""

    name: str  # unique: the module's name, or the parameter's where a module has several weights
    module: str  # as in named_modules(), wrapper prefixes stripped: what findings name
    kind: Kind
    type_name: str  # class of the module that owns the weight
    place: str = ""  # of the weight: its name without numbers and lone containers; equal for layers that repeat
    index: int  # order in the forward pass
    weight: Weight | None = None
    bias: Weight | None = None
    scheme: Scheme | None = None  # None: not a weight that is drawn, or no scheme known
    wants: float | None = None  # std of the weight that keeps the signal's size through its activation
    activation: str | None = None  # first non-linearity its output meets: "relu", "tanh", ...
    activation_parameters: tuple[float, ...] = ()  # as torch orders them: (alpha,), (min_val, max_val); () for defaults
    multiplied: float = 1.0  # by what constant the output is multiplied before that activation
    feeds: Feeds = "unknown"  # what its output meets first
    normed: bool = False  # a norm lies between its output and the next layer
    reads_norm: bool = False  # what it reads comes from a norm
    reads_trunk: bool = False  # first layer (or norm) of a residual branch: its input is the trunk itself
    ends_branch: bool = False  # last layer of a residual branch
    scales: tuple[str, ...] = ()  # learned scales that its output passes before the next layer: LayerScale, zero gamma
    transformed: bool = False  # its weight is computed from the parameter in each call: standardized, normed, a product
    packed: int = 1  # projections that one matrix holds side by side: 3 for a packed query, key and value
    bypassable: bool = False  # a skip leads around it
    head: bool = False  # nothing with a weight between it and the loss
    called: bool = False  # took part in the recorded forward pass
    reaches_loss: bool = False  # a gradient can flow from the loss to its weight
    scores_only: bool = False  # reaches the loss through the scores of attention alone: query, key, position
    exempt_zero_gradient: bool = False  # its gradient is zero by structure (softmax over one element, padding)
    unit_axis: int | None = None  # the weight's axis that counts the output units
    groups: int = 1  # convolution groups: each reads inputs of its own
    source: str | None = None

    @property
    def parameter(self) -> str:
        """The weight's name as in named_parameters(); "" without a weight."""
        return "" if self.weight is None else self.weight.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The weight's shape; () without a weight."""
        return () if self.weight is None else self.weight.shape

    @property
    def gain(self) -> float | None:
        """The weight's gain; None without a weight or its fan_in."""
        return None if self.weight is None else self.weight.gain


def weighted(layers: Iterable[Layer]) -> list[tuple[Layer, Weight]]:
    """Return the layers that have a weight, each with its weight, in the same order."""
    return [(layer, layer.weight) for layer in layers if layer.weight is not None]


class Measurement(_Frozen):
    """What one layer did at one step."""

    layer: str
    input: Signal | None = None
    output: Signal | None = None
    gradient: Signal | None = None  # of the loss with respect to the output
    predicted: float | None = None  # rms of the output that its weights make of the statistics of its input
    effective: float | None = None  # directions in which the outputs of the batch differ (participation ratio)
    width: int = 0  # directions there are
    attention_std: float | None = None  # of the attention logits over the keys that it is a query or key of
    attention_top: float | None = None  # mean over the queries of the largest attention weight
    attention_keys: int = 0  # keys that each of these queries could see, in the median
    weight_gradient: float | None = None  # L2 norm over the layer's weight, exact; None: not measured
    dead_share: float | None = None  # units of the activation it feeds that no input of the batch opened
    dead_samples: int = 0  # inputs (batch x positions) each unit was tried on
    units: int = 0  # units of that activation
    pinned_share: float = 0.0  # units among the dead that every input holds at the activation's maximum
    saturated_share: float | None = None  # elements of the activation it feeds that are on its flat part
    gradient_duplicates: float = 0.0  # share of units whose weight gradient repeats another unit's

    @property
    def gain(self) -> float | None:
        """rms of the output over rms of the input, as measured."""
        if self.input is None or self.output is None or not self.input.rms > 0:
            return None
        return self.output.rms / self.input.rms

    @property
    def predicted_gain(self) -> float | None:
        """What the weights predict of it."""
        if self.predicted is None or self.input is None or not self.input.rms > 0:
            return None
        return self.predicted / self.input.rms


class Update(_Frozen):
    """What one optimizer step made of one weight, by a sample of its elements."""

    weight: float  # rms before
    change: float  # rms of the difference
    unmoved: float  # share of the elements that are bit for bit as before
    rate: float | None = None  # the learning rate; None: of no optimizer that is known


class Step(_Frozen):
    """All that was measured at one optimizer step; ``index`` steps had been taken before."""

    index: int
    loss: float | None = None
    layers: tuple[Measurement, ...] = ()
    global_gradient_norm: float | None = None
    updates: dict[str, Update] = {}  # by layer
    loss_scale: float = 1.0  # by which the loss was multiplied; the gradients here are without it
    overflows: int = 0  # steps right before this one that a loss scaler skipped
    since: int | None = None  # step of the first loss that was not finite, where it was seen before this one
    broken_inputs: dict[str, Signal] = {}  # inputs with NaN or infinite elements, looked for where the step is broken

    @property
    def broken(self) -> bool:
        """Whether the loss or any gradient of a weight is NaN or infinite."""
        values = (self.loss, self.global_gradient_norm)
        return any(value is not None and not math.isfinite(value) for value in values)


class Loss(_Frozen):
    """How the loss is made."""

    kind: str = "unknown"  # "cross_entropy", "mse", "bce_logits", "projection", ...
    classes: int | None = None  # size of the softmax, where there is one
    value: float | None = None  # of a cross-entropy by itself, without what is added to it; None: not known
    alone: bool = True  # nothing is added to it
    logits_std: float | None = None  # over the classes of each sample
    sums_to_one: bool = False  # the softmax's input is a softmax already
    positives: float | None = None  # mean target of a binary cross-entropy
    over_base: float | None = (
        None  # mean binary cross-entropy, unweighted, over that of always guessing the mean target
    )


class Probation(_Frozen):
    """What became of the suspects (exact zeros, duplicates) after some optimizer steps."""

    steps: int  # steps taken with lr > 0 that no scaler skipped
    settled: bool  # as many as the verdict needs
    asleep: tuple[str, ...] = ()  # parameters whose gradient was exactly zero at every step
    zero_units: dict[str, float] = {}  # parameter -> share of its units that are still all zero
    duplicates: dict[str, float] = {}  # parameter -> share of its units that still repeat another


class Recording(_Frozen):
    """One network's numbers: what rules judge."""

    model: str
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]
    inputs: dict[str, Signal] = {}  # floating tensors of the batch, by their place in the call
    loss: Loss = Loss()
    normalized: bool = False  # the flow passes normalization layers
    trunk_normalized: bool = False  # a norm lies on the residual trunk itself, as in a post-norm transformer
    branches: int = 0  # residual branches that are added up on the way from input to loss
    lost_writes: dict[str, float] = {}  # parameter -> std of what was written to the weight made of it, in vain
    differentiated: bool = False  # the loss is made of derivatives: its graph passes layers forwards and backwards
    layer_scale: bool = False  # residual branches end in a learned scale
    adaptive: bool = False  # Adam and its kin, that rescale each gradient
    optimizer: str = "SGD(lr=0.01)"
    exact: bool = True
    graph: bool = True  # the autograd graph was there to be read
    probation: Probation | None = None
    detached: tuple[str, ...] = ()  # layers whose values reach the loss though the gradient can't
    unused: tuple[str, ...] = ()  # layers that take no part in the loss
    idle: tuple[str, ...] = ()  # layers without any gradient whose weights change nothing: the batch does not ask them
    left_out: tuple[str, ...] = ()  # trainable parameters that no optimizer holds
    not_measured: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    _facts: Any = PrivateAttr(default=None)  # for inithealth.evidence.facts alone: no part of what was recorded

    def layer(self, name: str) -> Layer:
        """The layer of that name. Raises KeyError."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)

    @property
    def weighted(self) -> list[tuple[Layer, Weight]]:
        """The layers that have a weight, each with its weight, in forward order."""
        return weighted(self.layers)

    @property
    def first(self) -> dict[str, Measurement]:
        """The first recorded step's measurements by layer name, in forward order."""
        return {m.layer: m for m in self.steps[0].layers} if self.steps else {}
