"""Operations with names that no model has: code, quotes, newlines, and what Python reads as something else."""

from __future__ import annotations

from hypothesis import strategies as st

from inithealth import Report
from inithealth.operations import Fill, Freeze, Initialize, Operation, Scale, ScaleByDepth, SetBias, StartTimeSteps
from tests.report.hostile import FINDINGS, TEXT

_PARTS = "fc weight bias 0 12 007 \u0663 {i} if None self model nn math i dt __class__ __x \ufb01x".split()
_PARTS += ["parametrizations", "parametrizations.weight.original0", "parametrizations.if.original0"]
_CODE = (
    '__import__("os").abort()',
    "w); __import__('os').abort(",
    "x\nimport os; os.abort()",
    "\r\nimport os; os.abort()",
    "x\u2028import os; os.abort()",
    '"""',
    "'\"\\",
    "\\",
    "#",
    "{i}; os.abort()",
    "::error::x",
    "##[error]",
)
NAMES = st.lists(st.one_of(st.sampled_from((*_PARTS, *_CODE)), TEXT), max_size=5).map(".".join)
NUMBERS = st.floats(-1e300, 1e300)
_INITIALIZE = (
    {"initializer": "zeros"},
    {"initializer": "normal", "numbers": (0.02,)},
    {"initializer": "uniform", "numbers": (-1.0, 1.0), "matrix": 2},
    {"initializer": "xavier_uniform", "nonlinearity": "tanh"},
    {"initializer": "kaiming_normal", "nonlinearity": "relu", "sets_magnitude": True},
    {"initializer": "orthogonal"},
    {"initializer": "eye", "numbers": (2.0,)},
)
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(
        lambda fields, name: Initialize.model_validate({**fields, "parameter": name}),
        st.sampled_from(_INITIALIZE),
        NAMES,
    ),
    st.builds(StartTimeSteps, parameter=NAMES, low=st.just(-7.0), high=st.just(-2.0)),
    st.builds(Fill, parameter=NAMES, value=NUMBERS),
    st.builds(SetBias, parameter=NAMES, value=NUMBERS),
    st.builds(Scale, parameter=NAMES, factor=NUMBERS),
    st.builds(
        ScaleByDepth,
        parameter=NAMES,
        branches=st.integers(1, 2**31 - 1),
        paired=st.booleans(),
        inverse=st.booleans(),
    ),
    st.builds(Freeze, parameter=NAMES),
)
_TEXTS = st.sampled_from((*_CODE, "", "x"))
_CAUSES = st.builds(
    lambda cause, texts, operations, verified: cause.model_copy(
        update={**texts, "operations": tuple(operations), "verified": verified}
    ),
    FINDINGS,
    st.fixed_dictionaries(
        dict.fromkeys(("fix", "message", "rule", "verification"), st.sampled_from((*_CODE, "", "x")))
    ),
    st.lists(OPERATIONS, max_size=4),
    st.sampled_from(["clears", "partly", ""]),
)
FIXES = st.builds(Report, model=TEXT, findings=st.lists(_CAUSES, max_size=3).map(tuple))
