"""Plans: which spans of which documents make up which rows, and the cursors among them. Integers only; no I/O."""
