"""Streams: from chosen clips to what a network takes, and its weights on disk."""
