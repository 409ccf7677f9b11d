"""What all networks share: blocks, norms, the head, and `build`."""
