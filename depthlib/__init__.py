"""Depth from a single photo: from photo and depth pairs to trained networks and honest tables."""

__version__ = "0.1.0"
