"""From a recording to a report: which rules apply to which layers, and which finding is a cause or a consequence.

Rules themselves are in `rules`, the settings in `inithealth.settings`.
"""
