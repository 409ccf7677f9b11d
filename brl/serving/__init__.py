"""Use of what was trained: recordings in, classes out."""
