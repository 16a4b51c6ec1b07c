"""Tensor in, numbers out: moments, duplicates, spectra, directions, gradient norms, predicted scales.

Nothing here knows of modules or graphs.
"""
