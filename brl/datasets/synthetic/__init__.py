"""The built-in dataset: generated clips of articulated bodies."""
