"""Assembly: tokens, positions and segments written into the arrays of a batch."""
