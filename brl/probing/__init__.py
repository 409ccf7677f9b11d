"""Evaluation of pre-trained encoders: how well their features tell the classes apart."""
