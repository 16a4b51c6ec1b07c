"""Autograd node names by what they do (``Backward0`` stripped)."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Move, copy or select values: the signal passes as it is.
LAYOUT = _words(
    """View UnsafeView ReshapeAlias T Transpose Permute Expand Squeeze Unsqueeze Slice Select Split SplitWithSizes
    UnsafeSplit UnsafeSplitWithSizes Unbind Alias AsStrided Clone ToCopy Contiguous Unfold Flip Roll Narrow Index
    IndexSelect Gather Repeat RepeatInterleave Cat Stack MaskedFill MaskedSelect Where Im2Col Col2Im PixelShuffle
    PixelUnshuffle ViewAsReal ViewAsComplex Detach Diagonal ChannelShuffle NativeChannelShuffle ConstantPadNd
    ReflectionPad1D ReflectionPad2D ReplicationPad2D CopySlices CopyBackwards IndexPut IndexAdd IndexCopy Scatter
    ScatterAdd ScatterReduce NativeDropout FusedDropout Neg Tril Triu SliceScatter SelectScatter LiftFresh ToDense
    MaskedScatter Take TakeAlongDim Movedim SetData Values PackPaddedSequence"""
)
POOLING = _words(
    """MaxPool2DWithIndices MaxPool3DWithIndices AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveAvgPool3D
    AdaptiveMaxPool2D AdaptiveMaxPool1D Mean Sum UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D
    UpsampleBilinear2D UpsampleBicubic2D UpsampleTrilinear3D UpsampleLinear1D Amax Amin Max GridSampler2D Cumsum
    FftC2C FftR2C FftC2R Norm Topk Sort MkldnnMaxPool2D"""
)
# Node -> the name users know the activation by.
ACTIVATION_NAMES = {
    "Relu": "relu",
    "Gelu": "gelu",
    "Silu": "silu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",  # selu and celu too: the scale tells them apart
    "Celu": "celu",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "Hardtanh": "hardtanh",  # relu6 is one
    "Mish": "mish",
    "Softplus": "softplus",
    "LogSigmoid": "logsigmoid",
    "PreluKernel": "prelu",
    "Threshold": "threshold",
    "RreluWithNoise": "rrelu",
    "Sin": "sin",
    "Cos": "cos",
    "Softmax": "softmax",
    "SafeSoftmax": "softmax",
    "Erf": "erf",
    "Exp": "exp",
    "Glu": "glu",
    "ClampMin": "relu",
}
ACTIVATIONS = frozenset(ACTIVATION_NAMES) | _words(
    "Softshrink Hardshrink Expm1 Clamp ClampMax Log Log1P Sqrt Square Abs Pow Reciprocal Rsqrt Sign Logsumexp"
)
_PLACES = ("GridSampler", "roi_align")  # read their first operand where the second says


def is_place(name: str, operand: int) -> bool:
    """Whether an operand of a node says where to read another: its size is none of a signal."""
    return operand == 1 and any(word in name for word in _PLACES)


SOFTMAX = frozenset({"Softmax", "SafeSoftmax"})
NORMS = _words(
    """NativeBatchNorm CudnnBatchNorm MiopenBatchNorm NativeLayerNorm NativeGroupNorm FusedRmsNorm
    NativeBatchNormLegit BatchNorm RmsNorm"""
)
ADDITIVE = _words("Add Sub Rsub Addcmul Lerp")
MULTIPLICATIVE = _words("Mul Div Addcdiv")
ARITHMETIC = ADDITIVE | MULTIPLICATIVE | _words("Maximum Minimum Pow")
ATTENTION = _words(
    """ScaledDotProductFlashAttentionForCpu ScaledDotProductFlashAttention ScaledDotProductEfficientAttention
    ScaledDotProductCudnnAttention ScaledDotProductFusedAttentionOverrideable FlexAttention"""
)
# Steps of a norm that is written out, from the mean to the root.
STATISTIC = _words(
    """Rsqrt Sqrt LinalgVectorNorm Norm Std Var Pow Reciprocal Mean Sum ClampMin Clamp Add Expand Div ToCopy Mul"""
)
# Make several signals of one, or take a part of it.
SPLITTING = _words("Split SplitWithSizes UnsafeSplit UnsafeSplitWithSizes Unbind")
TAKING = _words("Slice Select Narrow")
SELECTING = SPLITTING | TAKING
# What lies between 0 and 1: it weighs or gates a signal, and brings in none.
OPENINGS = SOFTMAX | _words("Sigmoid Hardsigmoid")
NON_LINEAR = ACTIVATIONS | NORMS | ATTENTION
LOSSES = {
    "NllLoss": "nll",
    "NllLoss2D": "nll",
    "NllLossNd": "nll",
    "MseLoss": "mse",
    "L1Loss": "l1",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce_logits",
    "KlDiv": "kl",
    "CtcLoss": "ctc",
    "SoftMarginLoss": "soft_margin",
    "MultiMarginLoss": "multi_margin",
}
# Node -> (kind, the two operands one of which is the weight, where the bias is).
OPERATIONS: dict[str, tuple[str, tuple[int, int] | None, int | None]] = {
    "Addmm": ("linear", (1, 2), 0),
    "Mm": ("linear", (0, 1), None),
    "Mv": ("linear", (0, 1), None),
    "Addmv": ("linear", (1, 2), 0),
    "Dot": ("linear", (0, 1), None),
    "Linear": ("linear", (0, 1), 2),
    "MkldnnLinear": ("linear", (0, 1), 2),
    "AddmmActivation": ("linear", (1, 2), 0),
    "Bmm": ("bmm", (0, 1), None),
    "Baddbmm": ("bmm", (1, 2), 0),
    "GroupedMm": ("bmm", (0, 1), None),
    "Convolution": ("conv", (0, 1), 2),
    "ConvolutionOverrideable": ("conv", (0, 1), 2),
    "MkldnnConvolution": ("conv", (0, 1), 2),
    "CudnnConvolution": ("conv", (0, 1), None),
    "Embedding": ("embedding", None, None),
    "EmbeddingBag": ("embedding", None, None),
    "MkldnnRnnLayer": ("rnn", None, None),
    "CudnnRnn": ("rnn", None, None),
    "ThnnFusedLstmCell": ("rnn", None, None),
    "ThnnFusedGruCell": ("rnn", None, None),
    "Trilinear": ("bilinear", None, None),
}
# What makes a square matrix of a parameter, to be multiplied with a constant one: an orthogonal weight.
MATRIX_FUNCTIONS = _words("LinalgMatrixExp LinalgHouseholderProduct LinalgSolve LinalgSolveEx LinalgSolveTriangular")
PRODUCTS = _words("Addmm Mm Bmm Baddbmm")
SPECTRAL = _words("Mv Dot Vdot")
# What may stand between a parameter and the operation that uses it as its weight.
WEIGHT_TRANSFORM = (
    LAYOUT
    | SPECTRAL
    | MATRIX_FUNCTIONS
    | _words(
        """Mul Div Add Sub Rsub WeightNormInterface Norm LinalgVectorNorm Pow Sqrt Rsqrt Mean Sum Std Var Exp
        Softplus Sigmoid Tanh NativeBatchNorm Log Reciprocal Abs ClampMin Clamp Softmax UpsampleBicubic2D
        UpsampleBilinear2D Relu Maximum Max Gelu Expm1 Sin Cos LinalgQr"""
    )
)
