"""Builds a model without the memory for its weights, and makes each weight when it is needed."""
