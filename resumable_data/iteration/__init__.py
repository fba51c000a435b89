"""Iteration: the one iterator, what it loads ahead, and the processes and workers that it goes along with."""
