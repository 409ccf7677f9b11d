"""MLflow: its store, and the runs that are recorded in it."""
