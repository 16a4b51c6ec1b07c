"""Hundreds of networks before inithealth and its peers, and what their verdicts are worth."""
