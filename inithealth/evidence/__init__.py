"""What several rules read from a recording: roles of layers, trained weights, signal and gradient levels, fixes.

No rule and no severity is decided here, and no tensor is seen.
"""
