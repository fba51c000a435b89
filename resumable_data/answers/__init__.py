"""What can be said of a run from its plans: nothing is delivered for it."""
