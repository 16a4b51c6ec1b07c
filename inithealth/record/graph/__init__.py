"""The structure of a network, read from its autograd graph: operations, norms, residual branches, what each output feeds.

No statistics here, and no values except a few saved scalars.
"""
