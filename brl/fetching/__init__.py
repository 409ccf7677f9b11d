"""Fetching of raw files from a mirror or the network, checked by their hashes."""
