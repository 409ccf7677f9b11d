"""The report that `evaluate` writes: one page of numbers, charts and moving skeletons."""
