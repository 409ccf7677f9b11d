"""The summary over datasets, made from the reports of comparisons alone."""
