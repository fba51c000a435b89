"""Index algebra: keys, permutations and windows. Integers only; no I/O, no JAX."""
