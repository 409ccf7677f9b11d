"""Streams: network inputs from selected clips, and weights files."""
