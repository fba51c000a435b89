"""Strategies: lengths in, plan arrays out. Pure functions."""
