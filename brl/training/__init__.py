"""Training of one stream: the loop, losses, mixing, checkpoints."""
