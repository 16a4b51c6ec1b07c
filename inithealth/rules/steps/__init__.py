"""Rules that read the optimizer steps."""
