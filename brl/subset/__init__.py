"""The long-tailed training subset: drawn, written, read."""
