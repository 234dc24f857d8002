"""A network and photos in, depth out."""
