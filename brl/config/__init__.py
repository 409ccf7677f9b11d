"""params.yaml: its schema, its presets, and the check of the whole file."""
