"""The structure of a network, read from its autograd graph: operations, norms, residual branches, what feeds what.

No statistics here, and no values except a few saved scalars.
"""
