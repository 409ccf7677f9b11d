"""Networks of a stream that were not trained on some of its training clips, and their scores."""
