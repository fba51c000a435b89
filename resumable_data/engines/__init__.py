"""What an iterator drives: one engine a kind of element, which plans and loads; it keeps no position."""
