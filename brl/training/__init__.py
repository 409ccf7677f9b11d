"""Training of one stream: loop, losses, mixing and checkpoints."""
