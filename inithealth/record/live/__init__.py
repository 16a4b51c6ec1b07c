"""Measuring a training as it runs: hooks, samples, gradients, updates, loss scale, several processes.

Nothing here may change the run or raise in it.
"""
