"""Judged from the weights alone."""
