"""Comparison of two reports: new, worse and fixed findings; baselines; reading and writing report files."""
