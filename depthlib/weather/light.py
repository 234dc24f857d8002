"""Between a photo's values and light, and what all effects share."""

from collections.abc import Callable
from functools import wraps

import cv2
import numpy as np

# An effect, as depthlib.weather describes it: rgb, depth_m, strength and rng to a new rgb.
Effect = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]

LEAST = 8  # pixels a side: streaks and drops are laid out on a coarser grid

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


def effect(function: Effect) -> Effect:
    """Makes a function an effect: checks what it is given; at 0 the photo stays as it is."""

    @wraps(function)
    def apply(
        rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
    ) -> np.ndarray:
        if not 0 <= strength <= 1:
            raise ValueError(f"`strength` must be 0 to 1. Received: strength={strength}.")
        if rgb.dtype != np.uint8 or rgb.shape != (*depth_m.shape, 3) or min(rgb.shape[:2]) < LEAST:
            raise ValueError(
                f"A photo must be uint8 RGB (height, width, 3), {LEAST} pixels a side or more, and "
                f"its depth (height, width). Received: {rgb.dtype} {rgb.shape} and {depth_m.shape}."
                " Resize both to one size, and a photo of floats to 0..255."
            )
        # OpenCV computes with no other type, and what is no number is not measured.
        depth_m = np.nan_to_num(depth_m.astype(np.float32), copy=False, posinf=0, neginf=0)
        return function(rgb, depth_m, strength, rng) if strength else rgb.copy()

    return apply


def spread(share: np.ndarray) -> np.ndarray:
    """A map (height, width) float32 as three equal channels (height, width, 3)."""
    return cv2.cvtColor(share, cv2.COLOR_GRAY2RGB)


def draw_patches(
    rng: np.random.Generator, height: int, width: int, low: float, high: float
) -> np.ndarray:
    """Smooth noise float32 (height, width), `low` to `high`: four patches across, three down."""
    coarse = np.pad(rng.random((4, 4), dtype=np.float32), 2, mode="wrap")
    fine = cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)
    patches = np.clip(fine[32:80, 32:96], 0, 1)  # cubic interpolation overshoots
    return cv2.resize(patches, (width, height)) * (high - low) + low
