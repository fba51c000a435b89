"""Processes: what they agree on and tell each other."""
