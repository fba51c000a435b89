"""Index algebra: keys, permutations and windows. Integers only, without I/O and JAX."""
