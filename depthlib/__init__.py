"""Depth from a single photo: from photo and depth pairs to trained networks and honest tables."""

import os
import platform

__version__ = "0.1.0"

# Read when TensorFlow is imported: Keras must not be imported before this package. By itself it
# takes oneDNN where the CPU has VNNI or newer; with AVX2 alone it convolves in Eigen, at two thirds
# of the speed: docs/performance.md.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
