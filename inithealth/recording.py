"""Frozen statistics of a live network. They contain no tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, PrivateAttr

from inithealth.layer_kinds import Kind
from inithealth.layer_uses import Feeds as Feeds
from inithealth.layer_uses import Steers as Steers
from inithealth.recorded_graph import Decay as Decay
from inithealth.recorded_graph import GeneratedWeight as GeneratedWeight
from inithealth.recorded_graph import OneSidedParameter as OneSidedParameter
from inithealth.recorded_graph import Singularity as Singularity
from inithealth.recorded_graph import UnfilledBuffer as UnfilledBuffer
from inithealth.recorded_graph import ZeroFactor as ZeroFactor
from inithealth.recorded_loss import Loss as Loss
from inithealth.recorded_tensor import Count, Factor, Frozen, Share, Size
from inithealth.recorded_tensor import ForwardWrite as ForwardWrite
from inithealth.recorded_tensor import Probation as Probation
from inithealth.recorded_tensor import Scheme as Scheme
from inithealth.recorded_tensor import Signal as Signal
from inithealth.recorded_tensor import Update as Update
from inithealth.recorded_tensor import Weight as Weight

EARLY = 9  # recorded steps after the first that later steps are compared with; zero starts receive gradient by then


class _Frozen(BaseModel):
    model_config = Frozen.model_config


class Layer(_Frozen):
    """A weight and its position in the network."""

    name: str  # unique: the module's name, or the parameter's if the module has several weights
    module: str  # as in named_modules(), without wrapper prefixes: the name in findings
    kind: Kind
    type_name: str  # class of the module that owns the weight
    place: str = ""  # the weight's name without numbers and containers of one module; equal for repeated layers
    index: Count  # order in the forward pass
    weight: Weight | None = None
    bias: Weight | None = None
    scheme: Scheme | None = None  # None: not initialized at random, or no known scheme
    wants: Size | None = None  # target std of the weight: keeps the rms of the signal through the activation
    activation: str | None = None  # first non-linearity after it: "relu", "tanh", ...
    activation_parameters: tuple[float, ...] = ()  # in torch's order: (alpha,), (min_val, max_val); () for defaults
    multiplied: Factor = 1.0  # constant factor between the output and that activation
    feeds: Feeds = "unknown"  # what receives its output first
    normed: bool = False  # its output is normalized before the next layer
    reads_norm: bool = False  # its input is the output of a norm
    reads_input: bool = False  # no other weight between the network's input and it
    reads_trunk: bool = False  # first layer (or norm) of a residual branch: its input is the trunk
    ends_branch: bool = False  # last layer of a residual branch
    scales: tuple[str, ...] = ()  # learned scales between its output and the next layer: LayerScale, zero gamma
    transformed: bool = False  # each call computes its weight from the parameter: standardized, normalized, a product
    packed: Count = 1  # projections in one matrix: 3 for a packed query, key and value
    bypassable: bool = False  # a skip connection bypasses it
    doubled: bool = False  # its output is added to itself
    head: bool = False  # no other weight between it and the loss
    steers: Steers = ""  # whether its output is positions at which another signal is sampled, or a weight
    called: bool = False  # ran in the recorded forward pass
    reaches_loss: bool = False  # a gradient can flow from the loss to its weight
    scores_only: bool = False  # affects the loss only through attention scores or sampling positions
    only_selects: bool = False  # its outputs select an element, whose weight is normalized to 1: no gradient
    exempt_zero_gradient: bool = False  # its gradient is structurally zero (softmax over one element, padding)
    unit_axis: int | None = None  # axis of the weight that indexes the output units
    groups: Count = 1  # convolution groups: each reads its own inputs
    source: str | None = None

    @property
    def parameter(self) -> str:
        """The weight's name as in named_parameters(); "" without a weight."""
        return "" if self.weight is None else self.weight.name

    @property
    def inner(self) -> bool:
        """Whether its output is a signal that another layer reads, not predictions or positions."""
        return not self.head and not self.steers

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
    """The statistics of one layer at one step."""

    layer: str
    input: Signal | None = None
    output: Signal | None = None
    gradient: Signal | None = None  # of the loss with respect to the output
    predicted: Size | None = None  # output rms predicted from its weights and the statistics of its input
    effective: Size | None = None  # effective rank of the outputs over the batch (participation ratio)
    width: Count = 0  # largest possible effective rank
    attention_std: Size | None = None  # std over the keys of the attention logits that it is the query or key of
    attention_top: Size | None = None  # mean over the queries of the largest attention weight
    attention_keys: Count = 0  # median number of visible keys per query
    token_spread: Size | None = None  # share of the values of its self-attention that differs between tokens
    weight_gradient: Size | None = None  # L2 norm over the layer's weight, exact; None: not measured
    dead_share: Share | None = None  # share of units of its activation without slope for every input of the batch
    dead_samples: Count = 0  # inputs (batch x positions) that each unit was evaluated on
    units: Count = 0  # units of that activation
    pinned_share: Share = 0.0  # share of units that are at the activation's maximum for every input
    dead_without_bias: Share | None = None  # share of units that would be dead with a bias of zero; None: unknown
    dead_redrawn: Share | None = None  # share that would be with a new weight of mean zero too
    shifted_by: str = ""  # the bias: the layer's, or that of a normalization before the activation
    saturated_share: Share | None = None  # share of elements in the flat range of its activation
    phase_step: Size | None = None  # rms phase, in radians, between neighboring samples in the sine that it feeds
    outside_share: Share | None = None  # share of the sampling points that it steers and that are outside the signal
    gradient_duplicates: Share = 0.0  # share of units whose weight gradient equals another unit's

    @property
    def gain(self) -> float | None:
        """Measured rms of the output over that of the input."""
        if self.input is None or self.output is None or not self.input.rms > 0:
            return None
        return self.output.rms / self.input.rms

    @property
    def predicted_gain(self) -> float | None:
        """Predicted rms of the output over the measured rms of the input."""
        if self.predicted is None or self.input is None or not self.input.rms > 0:
            return None
        return self.predicted / self.input.rms


class Step(_Frozen):
    """The measurements of one optimizer step, taken after ``index`` earlier ones."""

    index: Count
    loss: float | None = None
    layers: tuple[Measurement, ...] = ()
    global_gradient_norm: Size | None = None
    updates: dict[str, Update] = {}  # by layer
    loss_scale: float = 1.0  # factor of the loss; the gradients here do not include it
    overflows: Count = 0  # steps right before this one that a loss scaler skipped
    since: Count | None = None  # step of the first non-finite loss, if before this step
    broken_inputs: dict[str, Signal] = {}  # inputs with NaN or infinite elements, if the step is broken

    @property
    def broken(self) -> bool:
        """Whether the loss or any weight gradient is NaN or infinite."""
        values = (self.loss, self.global_gradient_norm)
        return any(value is not None and not math.isfinite(value) for value in values)


class Recording(_Frozen):
    """The statistics of one network: the input of the rules."""

    model: str
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]
    inputs: dict[str, Signal] = {}  # floating-point tensors of the batch, by name
    loss: Loss = Loss()  # the main one
    losses: tuple[Loss, ...] = ()  # all of the objective, the main one first
    normalized: bool = False  # the network has normalization layers
    trunk_normalized: bool = False  # the residual trunk itself is normalized, as in a post-norm transformer
    branches: Count = 0  # residual branches between input and loss
    lost_writes: dict[str, Size] = {}  # parameter -> std written to the weight computed from it, without effect
    forward_writes: dict[str, ForwardWrite] = {}  # by parameter: those that the first forward pass wrote
    flat: str = ""  # the loss contains its second derivative, which is zero everywhere: the name of an activation
    differentiated: bool = False  # the loss contains derivatives: its graph includes the backward pass of layers
    layer_scale: bool = False  # residual branches end in a learned scale
    zero_factors: tuple[ZeroFactor, ...] = ()  # constants at exactly zero that stop gradients
    unfilled: tuple[UnfilledBuffer, ...] = ()  # buffers never filled; only a check looks for them
    decays: tuple[Decay, ...] = ()  # of recurrent states
    generated: tuple[GeneratedWeight, ...] = ()  # weights that layers generate
    singularity: Singularity | None = None  # the first cause of NaN values, if one is known
    one_sided: tuple[OneSidedParameter, ...] = ()  # parameters of distributions that are never negative
    adaptive: bool = False  # Adam and similar optimizers, which rescale each gradient
    optimizer: str = "SGD(lr=0.01)"
    rate: float | None = None  # learning rate of the first group; None: no optimizer is known, SGD is assumed
    exact: bool = True
    graph: bool = True  # the autograd graph was read
    probation: Probation | None = None
    detached: tuple[str, ...] = ()  # layers whose values affect the loss but that get no gradient
    unused: tuple[str, ...] = ()  # layers that do not affect the loss
    idle: tuple[str, ...] = ()  # layers without gradient whose weights do not affect the loss of this batch
    left_out: tuple[str, ...] = ()  # trainable parameters that no optimizer holds
    not_measured: tuple[str, ...] = ()
    incomplete: bool = False  # errors ended some of the measurements
    notes: tuple[str, ...] = ()
    _facts: Any = PrivateAttr(default=None)  # cache of inithealth.evidence.facts, not recorded data

    def layer(self, name: str) -> Layer:
        """Return the layer with that name. Raises KeyError if there is none."""
        found = {layer.name: layer for layer in reversed(self.layers)}
        return found[name]

    @property
    def weighted(self) -> list[tuple[Layer, Weight]]:
        """The layers that have a weight, each with its weight, in forward order."""
        return weighted(self.layers)

    @property
    def first(self) -> dict[str, Measurement]:
        """The first recorded step's measurements by layer name, in forward order."""
        return {m.layer: m for m in self.steps[0].layers} if self.steps else {}
