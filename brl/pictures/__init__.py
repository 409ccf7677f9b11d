"""Pictures of clips: films, how they are made small, and the store that keeps them."""
