"""Methods side by side: a grid of methods, seeds and streams, run once and compared."""
