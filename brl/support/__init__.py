"""What everything else stands on: errors, files, YAML, progress bars, processes."""
