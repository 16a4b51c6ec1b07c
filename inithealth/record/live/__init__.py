"""Measures a running training: hooks, samples, gradients, updates, loss scale, several processes.

Nothing here may change the training or raise in it.
"""
