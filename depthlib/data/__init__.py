"""Photos and depth maps on disk: read, listed, split, cached, augmented. No Keras."""
