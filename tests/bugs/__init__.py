"""Initialization bugs that shipped, each beside the fixed network, and healthy networks that look faulty."""
