"""The user's own clips: a folder with a description, a list and arrays."""
