"""Measurements from the tensors that the autograd graph saves for the backward pass.

These are the outputs of functional calls, attention logits, dead and saturated units, and losses.
"""
