"""Answers to questions about a run, from its plans alone: no batch is delivered."""
