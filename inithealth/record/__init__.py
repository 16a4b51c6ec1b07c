"""Measures a live network. `recorder` is the entry point; tensors do not leave this package.

The measurements are interpreted in `evidence` and `rules`.
"""
