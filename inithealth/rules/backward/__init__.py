"""Judged from a backward pass."""
