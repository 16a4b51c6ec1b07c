"""Initialization theory, independent of any network: activations, gains, mean field theory, named schemes."""
