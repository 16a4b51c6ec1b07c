"""Rules that read the backward pass."""
