"""A recipe and pairs in, a run folder out."""
