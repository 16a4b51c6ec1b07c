"""Faults injected one at a time into small networks, labelled by training, judged by the rules."""
