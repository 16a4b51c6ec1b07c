"""Statistics of tensors: moments, duplicates, spectra, effective rank, gradient norms, predicted scales.

Nothing here depends on modules or graphs.
"""
