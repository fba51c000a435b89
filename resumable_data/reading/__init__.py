"""Reading: the documents that a plan names, many at a time, as tokens with their fields."""
