"""Rules that read the weights alone."""
