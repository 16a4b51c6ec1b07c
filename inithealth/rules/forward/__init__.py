"""Judged from a forward pass."""
