"""Benchmarks of speed, memory and accuracy. `make` runs them: see docs/speed.md."""
