"""Clips: skeleton layouts, normalisation, and the store that keeps them."""
