"""Published checkpoints: identified, read, loaded."""
