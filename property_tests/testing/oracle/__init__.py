"""Slow pipelines that say what the order must be: lists and integers, one rule of the design at a time.

They share only the keyed permutation with the package. It has tests of its own.
"""
