"""Fog."""

import cv2
import numpy as np

from depthlib.weather.light import draw_patches, effect, spread, to_light, to_photo
from depthlib.weather.scene import read_scene


@effect
def fog(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Fog by the pair's own depth: I = J t + A (1 - t), t = exp(-beta d) (Koschmieder 1924).

    At strength 1 beta lets 4 to 17 % of the light through from the scene's far end, its 95th
    percentile of depth: by Koschmieder's 2 % of contrast one sees 1.2 to 2.2 times as far, on a
    road of 60 m as in a room of 6 m. beta is in proportion to strength and varies by a fifth, in
    banks. The airlight A is as bright as the brightest tenth of the photo, nearly grey.
    """
    scene = read_scene(rgb, depth_m)
    thickness = rng.uniform(1.8, 3.2)
    height, width = depth_m.shape
    banks = draw_patches(rng, height, width, 0.8, 1.2)
    tint = rng.uniform((0.92, 0.96, 0.97), (1.0, 1.0, 1.06)).astype(np.float32)
    light = to_light(rgb)
    bright = float(np.percentile(light[::8, ::8, 1], 90))
    air = min(max(bright, 0.3), 0.85) * tint
    kept = cv2.exp(scene.depth_m * banks * (-strength * thickness / scene.far))
    light -= air
    light *= spread(kept)
    light += air
    return to_photo(light)
