"""Balanced representation learning for long-tailed skeleton-based action recognition."""
