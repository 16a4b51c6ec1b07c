"""Converts a recording to a report: applies the rules to the layers, and separates causes from consequences.

The rules are in `rules`, the settings in `inithealth.settings`.
"""
