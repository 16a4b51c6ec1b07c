"""The rooms that touch tensors: a live network in, a Recording out."""
