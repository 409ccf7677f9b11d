"""Pre-training of a stream's encoder, without labels."""
