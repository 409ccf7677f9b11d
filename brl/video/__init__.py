"""Clips of own data, made from videos by a pose estimator."""
