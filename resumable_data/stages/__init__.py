"""One stage a file: its settings, and what it opens to. Engines, which plan and load what a pipeline ends with."""
