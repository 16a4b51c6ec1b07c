"""Small healthy networks for vectors, tables and pairs."""

from __future__ import annotations

from ..nets import Net
from .everyday import (
    clicks,
    densities,
    experts,
    flows,
    functions,
    plain,
    policies,
    recommenders,
    reused,
    splines,
    tabular,
    targets,
    values,
    views,
)

NETS: tuple[Net, ...] = (
    *recommenders.NETS,
    *clicks.NETS,
    *tabular.NETS,
    *targets.NETS,
    *policies.NETS,
    *values.NETS,
    *plain.NETS,
    *functions.NETS,
    *splines.NETS,
    *densities.NETS,
    *flows.NETS,
    *experts.NETS,
    *reused.NETS,
    *views.NETS,
)
