"""What several rules read from a recording: roles of layers, trained weights, levels, symptoms, fixes, wording.

`facts` computes it once a recording, by the thresholds that the settings give (`limits`).

No rule and no severity is decided here, and no tensor is seen.
"""
