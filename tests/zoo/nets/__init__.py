"""Architectures, each written with modules, with functions and with plain parameters."""
