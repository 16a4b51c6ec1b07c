"""What the numbers of a recording show, shared by several rules: roles of layers, which weights are trained, signal and
gradient along the network, fixes as code, wording.

No rule and no severity is decided here, and no tensor is seen.
"""
