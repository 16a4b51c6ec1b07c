"""Values that several rules derive from a recording: roles of layers, trained weights, symptoms, prognosis, fixes.

`facts` computes them once per recording, with the thresholds from the settings (`limits`).

`prognosis` answers whether a network still trains in spite of a finding, which makes it an error or a warning.
This package yields no findings and handles no tensors.
"""
