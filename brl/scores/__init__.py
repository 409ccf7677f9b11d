"""Scores of test clips: stored, fused and evaluated."""
