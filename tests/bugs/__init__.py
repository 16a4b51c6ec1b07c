"""Initialization bugs that shipped, each as a small network beside the same network mended, and healthy traps."""
