"""The statistics of a loss: its predictions, its targets, and the loss of guessing."""

from __future__ import annotations

from inithealth.recorded_tensor import Count, Frozen, Size


class Loss(Frozen):
    """One loss of the objective."""

    kind: str = "unknown"  # "cross_entropy", "mse", "bce_logits", "projection", ...
    classes: Count | None = None  # size of the softmax, if there is one
    value: float | None = None  # mean over the elements, without factors and other terms; None: unknown
    alone: bool = True  # no other term is added to it
    logits_std: Size | None = None  # std over the classes of each sample; of all logits for a binary cross-entropy
    sums_to_one: bool = False  # the input of the softmax is already a softmax
    positives: float | None = None  # mean target of a binary cross-entropy
    base: float | None = None  # the loss of the best constant prediction: the mean target, for L1 the median
    over_base: float | None = None  # the value over that
    prediction_rms: Size | None = None
    target_rms: Size | None = None
    floor: float | None = None  # lowest loss within the range of the predictions, for losses that compare by size
    log_variance: Size | None = None  # rms of the logarithms of the variances that a Gaussian likelihood is given
    # Activation between the last layer and the loss; "layer": none, "cosine": cosines of directions, "": unknown.
    source: str = ""
    span: Size | None = None  # largest possible difference between two predictions; None: unlimited
    lowest: float | None = None  # smallest possible prediction; None: unlimited, or not known
    heads: tuple[str, ...] = ()  # the layers that its predictions come from, in forward order
