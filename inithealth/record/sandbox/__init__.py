"""Runs the model outside of training, as `check` does, and restores everything afterwards."""
