"""Shared helpers: errors, files, YAML, progress bars and processes."""
