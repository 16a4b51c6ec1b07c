"""Compares ``inithealth.initialization`` with the initialization of the libraries: verdicts and training."""
