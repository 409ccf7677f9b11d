"""Comparisons of methods: a grid of methods, seeds and streams, each run computed once."""
