"""Faults that people reported in public, made small: each beside its healthy twin, labeled by training both."""
