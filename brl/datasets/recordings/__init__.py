"""Single recordings, read from the files that sensors and pose estimators write."""
