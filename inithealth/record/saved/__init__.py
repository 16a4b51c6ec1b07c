"""Numbers from the tensors that the autograd graph has saved for the backward pass: outputs of functional calls,
attention logits, unit activity, losses.
"""
