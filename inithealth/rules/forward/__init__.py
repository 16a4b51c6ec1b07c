"""Rules that read the forward pass."""
