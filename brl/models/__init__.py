"""The networks, one module each; `common` holds what they share."""
