"""Faults injected one at a time into small networks, labeled by training, judged by the rules."""
