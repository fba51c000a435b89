"""Slow pipelines that say what the order must be: lists and integers, one rule of the design at a time.

They share the keyed permutation with the package, whose own tests are elsewhere, and nothing else.
"""
