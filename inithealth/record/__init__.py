"""From a live network to frozen numbers. `recorder` is the entrance; tensors do not leave this package.

What the numbers mean is decided in `evidence` and `rules`.
"""
