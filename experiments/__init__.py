"""The studies: notebooks, and what only they use."""
