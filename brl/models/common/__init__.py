"""What the networks share: blocks, norms, heads, and `build`."""
