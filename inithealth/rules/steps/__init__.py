"""Judged from the first optimizer steps."""
