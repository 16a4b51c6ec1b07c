"""In which order findings can explain each other: named stages, from what happens first to what follows from it.

A finding can only be explained by one of an earlier stage. Most rules have one stage; a rule with several forms of a
problem has a stage for each variant (:attr:`inithealth.Finding.variant`).
"""

from __future__ import annotations

from enum import IntEnum


class Stage(IntEnum):
    """Stages in the order of cause and consequence; those with gaps between them leave room for rules of plugins."""

    UNINITIALIZED = -1  # before non-finite weights: uninitialized memory may contain NaN
    NON_FINITE_WEIGHTS = 0
    INPUTS = 1
    ZEROS_THAT_MAKE_NAN = 2
    MISSED_BIAS = 3  # before units that the bias dominates
    NON_FINITE_ACTIVATIONS = 4
    NON_FINITE_GRADIENTS = 5
    CONSTANTS_AT_ZERO = 6  # before zero weights and dead units: constants at zero cause both
    DOMINANT_BIAS = 7  # before zero weights: downstream of a layer inactive by its bias, zeros stay zero
    ZERO_WEIGHTS = 8
    CONSTANT_WEIGHTS = 9
    DUPLICATE_UNITS = 10
    PARALLEL_UNITS = 11
    MISSED_WEIGHTS = 29  # before the weight scale, which is wrong because it is the default's
    WEIGHT_SCALE = 30
    RESIDUAL_SCALE = 35  # after the weight scale: branches with too large weights are not scaled by depth either
    VANISHING_ACTIVATIONS = 40
    EXPLODING_ACTIVATIONS = 41
    UNITS = 42  # dead and saturated units, saturated attention, and overflows, which large weights cause
    VANISHING_GRADIENTS = 43
    LARGE_HEAD = 44  # before exploding gradients: a head that is too large multiplies them too
    EXPLODING_GRADIENTS = 45
    LOSS = 46
    NO_GRADIENT = 47
    SYMMETRY = 48  # also divisions by zero that dead units cause
    NON_FINITE_LOSS = 49  # also rank collapse, which explains only findings of later steps
    OTHER = 50
    PRECISION = 59
    UPDATES = 60
    DRIFT = 61
    DYING_UNITS = 62
    LOSS_OVER_STEPS = 63
    UNCHANGED = 65
    TRAINED = 90
    CLONED = 91
