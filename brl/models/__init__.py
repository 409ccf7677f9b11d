"""Networks: one file each, and what they share in `common`."""
