"""One stage a file, and the iterator that drives them."""
