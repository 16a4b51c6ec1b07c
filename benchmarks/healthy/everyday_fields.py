"""Everyday networks for fields, dynamics, graphs, points and sounds."""

from __future__ import annotations

from ..nets import Net
from . import (
    fields_audio,
    fields_dynamics,
    fields_frames,
    fields_graphs,
    fields_implicit,
    fields_molecules,
    fields_operators,
    fields_points,
    fields_separation,
    fields_sets,
    fields_shapes,
    fields_wav2vec,
)

NETS: tuple[Net, ...] = (
    *fields_implicit.NETS,
    *fields_shapes.NETS,
    *fields_operators.NETS,
    *fields_dynamics.NETS,
    *fields_graphs.NETS,
    *fields_molecules.NETS,
    *fields_points.NETS,
    *fields_sets.NETS,
    *fields_audio.NETS,
    *fields_frames.NETS,
    *fields_wav2vec.NETS,
    *fields_separation.NETS,
)
