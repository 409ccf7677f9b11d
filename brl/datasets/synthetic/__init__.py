"""The built-in dataset: articulated bodies, generated."""
