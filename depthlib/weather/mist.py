"""A pane that has misted up."""

import cv2
import numpy as np

from depthlib.weather.light import draw_patches, effect, spread, to_light, to_photo


@effect
def mist(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Breath figures: droplets on a cold pane, through which one sees what lies behind, but soft.

    Of the light that meets droplets, 1 - exp(-tau) of all, most leaves in a narrow lobe and 10 to
    35 % in a broad one, which takes contrast: I = J exp(-tau) + (1 - exp(-tau)) B, with B the scene
    J blurred by both. tau is in proportion to strength, at 1 it is 2 to 5 in the mean and a third
    to five thirds of that in patches; the narrow lobe grows with its square root, as does what is
    scattered again and again by a little (at strength 1 a standard deviation of .5 to 2 % of the
    width, at 50 degrees of view .25 to 1 degree). Depth plays no part in it.
    """
    height, width = depth_m.shape
    thickness, narrow, broad, share = rng.uniform((2, 0.005, 0.08, 0.1), (5, 0.02, 0.2, 0.35))
    patches = draw_patches(rng, height, width, 0.33, 1.66)
    direct = spread(cv2.exp(patches * np.float32(-strength * thickness)))
    light = to_light(rgb)
    soft = _blur(light, 2, narrow * width * strength**0.5)
    soft += np.float32(share) * (_blur(light, 8, broad * width) - soft)
    light -= soft
    light *= direct
    light += soft
    return to_photo(light)


def _blur(light: np.ndarray, step: int, sigma: float) -> np.ndarray:
    """`light` blurred by `sigma` pixels, computed at a `step`th of its size."""
    height, width = light.shape[:2]
    size = max(1, width // step), max(1, height // step)
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / step), (width, height))
