"""Adapters to training frameworks: the Lightning callback and Lightning's loggers.

Measuring and judging are in `sessions`; this package only has the hooks that call it.
"""
