"""The page that `evaluate` writes: numbers, charts, moving skeletons, in one file."""
