"""Situations that a watched training must survive unchanged."""
