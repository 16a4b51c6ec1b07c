"""Tests whether a verdict predicts training: small networks of many kinds, each trained to find out.

``grid`` selects the networks, ``networks`` builds them, ``training`` trains and labels them.
"""
