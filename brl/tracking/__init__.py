"""MLflow: its store, and the runs recorded in it."""
