"""The mixer: a learned fusion of the streams' frame features."""
