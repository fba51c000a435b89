"""Where records come from: I/O only."""
