"""Datasets: one file each; how clips are stored, chosen and read."""
