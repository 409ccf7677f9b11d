"""Use of trained streams: prediction, export and MLflow models."""
