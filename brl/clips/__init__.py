"""Clips: skeleton layouts, normalisation, and the clip store."""
