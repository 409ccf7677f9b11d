"""Class imbalance: rare classes, samplers, and the held-out validation part."""
