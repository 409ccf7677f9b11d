"""What an unknown file holds: a guess from its numbers."""
