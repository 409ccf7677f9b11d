"""Datasets: how the raw files of each become clips, and the data report."""
