"""Scalars, pictures and alerts of a recording in TensorBoard."""
