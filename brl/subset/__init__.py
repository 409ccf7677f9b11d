"""The long-tailed training subset: drawing, writing and reading it."""
