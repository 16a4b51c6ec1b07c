"""The structure of a network, read from its autograd graph: operations, norms, residual branches, connections.

This package computes no statistics and reads no values except a few saved scalars.
"""
