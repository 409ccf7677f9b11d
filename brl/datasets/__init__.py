"""Datasets: reading the raw files of each into clips, and the data report."""
