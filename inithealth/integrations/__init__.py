"""Adapters to training frameworks: the Lightning callback and Lightning's loggers.

What is measured and judged is in `sessions`; here are only the hooks that call it.
"""
