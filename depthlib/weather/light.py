"""Between a photo's values and light, and what all effects share."""

from functools import wraps

import cv2
import numpy as np

# The sRGB curve, IEC 61966-2-1: from values to light, and from light in 65535ths to values.
_VALUES = np.arange(256) / 255
_LIGHT = np.where(_VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4)
_TO_LIGHT = _LIGHT.astype(np.float32)
_STEPS = np.arange(65536) / 65535
_CURVE = np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * _STEPS ** (1 / 2.4) - 0.055)
_TO_VALUES = np.rint(255 * _CURVE).astype(np.uint8)


def to_light(rgb: np.ndarray) -> np.ndarray:
    """Linear light, float32 0 to 1, of a photo's values, uint8 of any shape."""
    return cv2.LUT(rgb, _TO_LIGHT)


def to_photo(light: np.ndarray) -> np.ndarray:
    """The photo, uint8, of linear light (height, width, 3); what is over 1 is white."""
    counts = light * np.float32(65535)
    counts += 0.5
    np.clip(counts, 0, 65535, out=counts)
    return cv2.LUT(counts.astype(np.uint16), _TO_VALUES)


def effect(function):
    """Makes a function an effect: checks its strength; at 0 the photo stays as it is."""

    @wraps(function)
    def apply(rgb, depth_m, strength, rng):
        if not 0 <= strength <= 1:
            raise ValueError(f"`strength` must be 0 to 1. Received: strength={strength}.")
        return function(rgb, depth_m, strength, rng) if strength else rgb.copy()

    return apply


def spread(share: np.ndarray) -> np.ndarray:
    """A map (height, width) float32 as three equal channels (height, width, 3)."""
    return cv2.cvtColor(share, cv2.COLOR_GRAY2RGB)


def make_clouds(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """Smooth noise float32 (size, size), 0 to 1, that goes on without a seam when it is tiled."""
    coarse = np.pad(rng.random((cells, cells), dtype=np.float32), 2, mode="wrap")
    step = size // cells
    wide = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    return np.clip(wide[2 * step : -2 * step, 2 * step : -2 * step], 0, 1)
