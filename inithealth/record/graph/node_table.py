"""All known nodes of autograd graphs: their kind and the roles of their operands.

A row contains nodes that have all properties in common. Names are torch's, without namespace and ``Backward0``. To add
an operation, add a row, or add its name to a row. Activations are defined in ``theory/activation_table.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """The kind of a node, and the roles of its operands in the order of its edges."""

    kind: str
    operands: tuple[str, ...] = ()  # a "factor" is a weight if it is computed from a parameter, otherwise a signal
    saved: tuple[str, ...] = ()  # the attribute with each saved operand; "" if it is not saved
    traits: frozenset[str] = frozenset()
    loss: str = ""  # the loss, for kind "loss"
    origin: str = ""  # module or library that defines it as an autograd.Function; "" for torch's built-in nodes

    def at(self, *roles: str) -> tuple[int, ...]:
        """Return the positions of the operands with these roles."""
        return tuple(place for place, role in enumerate(self.operands) if role in roles)

    def role(self, operand: int) -> str:
        """Return the role of an operand; "" if it is unknown."""
        return self.operands[operand] if operand < len(self.operands) else ""

    @property
    def kept_factors(self) -> dict[int, str]:
        """The operands that may be a weight, and the attributes with their saved tensors."""
        return {place: self.saved[place] for place in self.at("factor") if place < len(self.saved)}

    @property
    def units_first(self) -> bool:
        """Whether the first axis of its weight matrix indexes the output units."""
        return bool(self.traits & {"turned", "vector"})


def _row(
    names: str, kind: str, traits: str = "", operands: str = "", saved: str = "", *, loss: str = "", origin: str = "",
) -> dict[str, Node]:  # fmt: skip
    kept = tuple(name.replace("-", "") for name in saved.split())
    node = Node(kind, tuple(operands.split()), kept, frozenset(traits.split()), loss, origin)
    return dict.fromkeys(names.split(), node)


_ATTENTION = "query key value mask"
_FLEX, _DDP = "torch._higher_order_ops.flex_attention", "torch.nn.parallel.distributed"
_FSDP = "torch.distributed.fsdp._fully_shard._fsdp_param_group"
_VISION = "GeneratedBackwardFor_torchvision_"  # prefix of operations registered in Python, since torchvision 0.27

# Traits. product: multiplies matrices; turned: with the second one transposed; vector: a matrix and a vector, or two.
# spectral: computes the largest singular value of a weight; matrix_function: a function of a square matrix.
# transform: may be between a parameter and the operation that uses it as its weight.
# reshapes, keeps_axes, drops_axis: the effect on the axes; in_order: keeps the order of the elements.
# splits, takes: splits a signal, or selects a part; hides: applies a mask to the scores of an attention.
# offsets: its places are relative to those of a convolution.
# statistic: a step of a composed norm; averaged, rooted: required steps of such a norm. reduces: ends a loss.
_ROWS: tuple[dict[str, Node], ...] = (
    # Operations with a weight.
    _row("Addmm", "linear", "product", "bias factor factor", "- mat1 mat2"),
    _row("Mm", "linear", "product", "factor factor", "self mat2"),
    _row("Mv", "linear", "spectral vector", "factor factor", "self vec"),
    _row("Addmv", "linear", "vector", "bias factor factor"),
    _row("Dot", "linear", "spectral vector", "factor factor"),
    _row("Linear", "linear", "turned", "factor factor bias", "input weight"),
    _row("MkldnnLinear", "linear", "turned", "factor factor bias"),
    _row("Bmm", "bmm", "product", "factor factor", "self mat2"),
    _row("Baddbmm", "bmm", "product", "bias factor factor", "- batch1 batch2"),
    _row("GroupedMm", "bmm", "", "factor factor"),
    _row("Convolution", "conv", "", "factor factor bias", "input weight"),
    _row("ConvolutionOverrideable MkldnnConvolution", "conv", "", "factor factor bias"),
    _row(f"{_VISION}deform_conv2d_default", "conv", "offsets", "factor factor place scale bias", origin="torchvision"),
    _row("CudnnConvolution", "conv", "", "factor factor"),
    _row("Embedding EmbeddingBag", "embedding", "", "weight"),
    _row("MkldnnRnnLayer CudnnRnn ThnnFusedLstmCell ThnnFusedGruCell", "rnn"),
    _row("Trilinear", "bilinear"),
    # Normalization and attention.
    _row("NativeBatchNorm", "norm", "transform", "input weight bias"),
    _row("NativeLayerNorm NativeGroupNorm NativeBatchNormLegit", "norm", "", "input weight bias"),
    _row("CudnnBatchNorm MiopenBatchNorm BatchNormWithUpdate", "norm", "", "input weight bias"),
    _row("SyncBatchNorm", "norm", "", "input weight bias", origin="torch.nn.modules._functions"),
    _row("FusedRmsNorm", "norm", "", "input weight"),
    _row("ScaledDotProductFlashAttentionForCpu", "attention", "", _ATTENTION, "query key value attn_mask"),
    _row("ScaledDotProductFlashAttention", "attention", "", "query key value", "query key value"),
    _row("ScaledDotProductEfficientAttention ScaledDotProductFusedAttentionOverrideable ScaledDotProductCudnnAttention",
         "attention", "", _ATTENTION, "query key value attn_bias"),
    _row("FlexAttentionAutogradOp", "attention", "", "query key value", origin=_FLEX),
    # Losses.
    _row("LogSoftmax", "log_softmax"),
    _row("NllLoss NllLoss2D", "loss", loss="nll"),
    _row("MseLoss", "loss", loss="mse"),
    _row("SmoothL1Loss", "loss", loss="smooth_l1"),
    _row("HuberLoss", "loss", loss="huber"),
    _row("BinaryCrossEntropy", "loss", loss="bce"),
    _row("BinaryCrossEntropyWithLogits", "loss", loss="bce_logits"),
    _row("CtcLoss CudnnCtcLoss MiopenCtcLoss", "loss", loss="ctc"),
    _row("SoftMarginLoss", "loss", loss="soft_margin"),
    _row("MultiMarginLoss", "loss", loss="multi_margin"),
    # Arithmetic.
    _row("Mul", "multiplicative", "statistic transform", "scale scale", "self other"),
    _row("Div", "multiplicative", "statistic transform", "scale divisor", "self other"),
    _row("Addcdiv", "multiplicative", "", "input scale divisor"),
    _row("Add", "additive", "statistic transform hides"),
    _row("Sub", "additive", "transform hides"),
    _row("Rsub", "additive", "transform"),
    _row("Addcmul Lerp", "additive", "", "input scale scale"),
    _row("Maximum", "arithmetic", "transform"),
    _row("Minimum", "arithmetic"),
    _row("Pow", "arithmetic", "statistic transform"),
    # Layout: move, copy or select values, which do not change.
    _row("View UnsafeView ReshapeAlias Squeeze Unsqueeze", "layout", "reshapes in_order"),
    _row("Alias Clone", "layout", "keeps_axes in_order"),
    _row("Expand ToCopy", "layout", "keeps_axes in_order statistic"),
    _row("Slice", "layout", "keeps_axes takes"),
    _row("Select", "layout", "drops_axis takes"),
    _row("Split SplitWithSizes UnsafeSplit UnsafeSplitWithSizes", "layout", "keeps_axes splits"),
    _row("Unbind", "layout", "drops_axis splits"),
    _row("MaskedFill Where", "layout", "hides"),
    _row("T Transpose Permute AsStrided Unfold Flip Roll Rot90 Diagonal DiagEmbed ViewAsReal ViewAsComplex", "layout"),
    _row("Index IndexSelect Gather MaskedSelect Take Repeat Cat Stack Tril Triu Values", "layout"),
    _row("IndexPut IndexAdd IndexCopy Scatter ScatterAdd ScatterReduce MaskedScatter", "layout"),
    _row("SliceScatter SelectScatter CopySlices CopyBackwards", "layout"),
    _row("Im2Col Col2Im PixelShuffle PixelUnshuffle ChannelShuffle ConstantPadNd", "layout"),
    _row("ReflectionPad1D ReflectionPad2D ReflectionPad3D", "layout"),
    _row("ReplicationPad1D ReplicationPad2D ReplicationPad3D", "layout"),
    _row("NativeDropout FusedDropout Neg LiftFresh ToDense PackPaddedSequence", "layout"),
    # Pooling and reduction.
    _row("Mean Sum", "pooling", "statistic transform averaged reduces"),
    _row("Norm", "pooling", "statistic transform averaged rooted"),
    _row("Max UpsampleBicubic2D UpsampleBilinear2D", "pooling", "transform"),
    _row("MaxPool2DWithIndices MaxPool3DWithIndices MaxPool2D MkldnnMaxPool2D AvgPool2D AvgPool3D", "pooling"),
    _row("AdaptiveAvgPool2D AdaptiveAvgPool3D AdaptiveMaxPool2D AdaptiveMaxPool3D", "pooling"),
    _row("UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleTrilinear3D UpsampleLinear1D", "pooling"),
    _row("Amax Amin Cumsum Topk Sort FftC2C FftR2C FftC2R", "pooling"),
    _row("GridSampler2D", "pooling", "", "input place", "input grid"),
    _row("GridSampler3D", "resampling", "", "input place", "input grid"),
    _row("CudnnGridSampler", "resampling", "", "input place", "self grid"),
    _row("AffineGridGenerator CudnnAffineGridGenerator", "positions"),
    _row(f"{_VISION}roi_align_default", "resampling", "", "input place", origin="torchvision"),
    _row("Std", "reduction", "statistic transform averaged rooted"),
    _row("Var", "reduction", "statistic transform averaged"),
    _row("LinalgVectorNorm", "reduction", "statistic transform averaged rooted"),
    # Elementwise functions, including the other uses of activations.
    _row("Rsqrt Sqrt", "function", "statistic transform rooted"),
    _row("Reciprocal ClampMin Clamp", "function", "statistic transform"),
    _row("Exp Expm1 Log Abs Sin Cos Tanh Sigmoid Softplus Softmax Relu Gelu", "function", "transform"),
    # Matrix functions. An orthogonal weight is a function of a square matrix, multiplied by a constant matrix.
    _row("LinalgMatrixExp LinalgHouseholderProduct LinalgSolveEx LinalgSolveTriangular", "matrix",
         "transform matrix_function"),
    _row("LinalgQr", "matrix", "transform"),
    _row("Vdot", "matrix", "transform spectral"),
    _row("WeightNormInterface", "weight_norm", "transform"),
    _row("Zero Fill", "constant"),
    # Nodes that connect a graph to the training.
    _row("AccumulateGrad", "leaf"),
    _row("_DDPSink", "wrapper", origin=_DDP),
    _row("RegisterPostBackwardFunction", "wrapper", origin=_FSDP),
)  # fmt: skip

NODES: Mapping[str, Node] = {name: node for row in _ROWS for name, node in row.items()}


def of_kind(*kinds: str) -> frozenset[str]:
    """Return the names of all nodes of some kinds."""
    return frozenset(name for name, node in NODES.items() if node.kind in kinds)


def having(trait: str) -> frozenset[str]:
    """Return the names of all nodes with a trait."""
    return frozenset(name for name, node in NODES.items() if trait in node.traits)
