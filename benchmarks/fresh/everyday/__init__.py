"""More small networks of common kinds."""

from __future__ import annotations

from benchmarks.nets import Net

from . import (
    densities,
    diffusion,
    fields,
    forecasts,
    generators,
    graphs,
    policies,
    recommenders,
    segments,
    sequences,
    sets,
    sounds,
)

NETS: tuple[Net, ...] = (
    *recommenders.NETS,
    *policies.NETS,
    *generators.NETS,
    *densities.NETS,
    *graphs.NETS,
    *sounds.NETS,
    *forecasts.NETS,
    *fields.NETS,
    *diffusion.NETS,
    *sequences.NETS,
    *sets.NETS,
    *segments.NETS,
)
