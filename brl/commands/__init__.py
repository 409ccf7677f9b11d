"""Commands of the console script `brl`."""
