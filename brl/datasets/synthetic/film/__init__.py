"""Pictures of the built-in dataset: its bodies before a room, as its cameras see them."""
