"""One stage a file: its settings, and what it opens to."""
