"""Imbalance: which classes are rare, which clips a pass shows, which are held out."""
