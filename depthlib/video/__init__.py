"""A video in, a video with its depth beside it out."""
