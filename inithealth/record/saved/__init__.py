"""Numbers from the tensors that the autograd graph saves for the backward pass.

These are outputs of functional calls, attention logits, unit activity and losses.
"""
