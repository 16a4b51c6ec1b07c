"""Measures what the fixes of errors do to harmful mutants: run, clear the errors, and let the network train."""
