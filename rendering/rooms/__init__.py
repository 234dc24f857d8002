"""Rendered rooms, as the Kinect of NYU Depth V2 sees them."""
