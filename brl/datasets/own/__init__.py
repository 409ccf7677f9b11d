"""The user's own clips: a folder with a list, a description and arrays."""
