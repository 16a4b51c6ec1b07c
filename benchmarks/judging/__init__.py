"""Runs inithealth and its peers on hundreds of networks and scores their verdicts."""
