"""Lights that no lamp in the scene gives: a projector, the sun, the sky. Metres, z up."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Projector:
    """A picture (height, width) or (height, width, 3) thrown from `place` towards `aim`."""

    place: tuple[float, float, float]
    aim: tuple[float, float, float]
    picture: np.ndarray
    scale: float
    fov: float  # degrees, across


@dataclass(frozen=True, eq=False)
class Sun:
    """Parallel light; `towards` is the unit vector to the sun, `irradiance` (3,) linear RGB."""

    towards: np.ndarray
    irradiance: np.ndarray


@dataclass(frozen=True, eq=False)
class Sky:
    """Light from all around: `radiance` (height, width, 3) along `sky_directions`."""

    radiance: np.ndarray


def sky_directions(height, width):
    """The unit vectors (height, width, 3) that the pixels of a sky look along.

    The first row looks up, the last down; the first column looks along +y, a quarter on along +x.
    """
    polar = (np.arange(height) + 0.5)[:, None] * np.pi / height
    around = (np.arange(width) + 0.5)[None] * 2 * np.pi / width
    level = np.sin(polar)
    return np.stack(
        np.broadcast_arrays(level * np.sin(around), level * np.cos(around), np.cos(polar)), 2
    )
