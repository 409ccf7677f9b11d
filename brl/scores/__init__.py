"""Scores of test clips: on disk, measured, fused."""
