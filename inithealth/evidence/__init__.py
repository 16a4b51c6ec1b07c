"""Values that several rules derive from a recording: roles of layers, trained weights, levels, symptoms, fixes.

`facts` computes them once per recording, with the thresholds from the settings (`limits`).

This package assigns no severities and handles no tensors.
"""
