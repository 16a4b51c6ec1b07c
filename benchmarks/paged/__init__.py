"""Checks of models that are larger than memory, compared with checks of the same models in memory."""
