"""Skies painted with NumPy: linear RGB radiance along `sky_directions`, an overcast sky about 1."""

import cv2
import numpy as np

from rendering.lights import Sky, Sun, sky_directions
from rendering.textures import noise

HEIGHT, WIDTH = 512, 1024
CLEAR_SUN = np.array([6.0, 5.6, 5.0])  # of which 6 times as much falls as from a clear sky


def direction(azimuth, elevation):
    """The unit vector to `azimuth` (degrees left of ahead) and `elevation` (degrees up)."""
    azimuth, elevation = np.deg2rad([azimuth, elevation])
    level = np.cos(elevation)
    return np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])


def overcast(rng):
    """A closed sky, three times as bright above as at the horizon (CIE), with its clouds."""
    up = sky_directions(HEIGHT, WIDTH)[..., 2:]
    clouds = 1 + 0.16 * _clouds(rng, 1.3)[..., None]
    grey = np.array([0.95, 0.99, 1.05]) * rng.uniform(0.9, 1.1)
    return Sky(_with_ground(grey * (1 + 2 * up.clip(0)) / 2 * clouds.clip(0.5)))


def sunlit(rng, azimuth, elevation):
    """(sky, sun) on a day with few clouds, warmer and weaker the lower the sun stands."""
    towards = direction(azimuth, elevation)
    low = np.exp(-elevation / 11)  # 0 with a high sun, 1 at the horizon
    directions = sky_directions(HEIGHT, WIDTH)
    up = directions[..., 2:].clip(0)
    apart = np.rad2deg(np.arccos((directions @ towards).clip(-1, 1)))[..., None]
    zenith = np.array([0.10, 0.20, 0.48]) * (1 - 0.5 * low)
    horizon = np.array([0.62, 0.74, 0.88]) * (1 - low) + np.array([0.80, 0.62, 0.45]) * low
    horizon = horizon * (1 - 0.45 * low * (apart / 180))
    light = 0.75 * (zenith + (horizon - zenith) * np.exp(-up / 0.22))
    tint = CLEAR_SUN * (1, 1 - 0.35 * low, 1 - 0.65 * low)
    light = light + tint * (0.05 * np.exp(-apart / 14) + 0.35 * np.exp(-apart / 3.5))
    cover = _clouds(rng, 1.35) - rng.uniform(0.0, 1.6)
    cover = 1 / (1 + np.exp(-5 * cover)) * (1 - np.exp(-directions[..., 2].clip(0) / 0.06))
    cloud = tint * 0.15 * (1 + 0.25 * _clouds(rng, 1.0)[..., None].clip(-1.5, 1.5))
    share = (0.8 * cover)[..., None]
    light = light * (1 - share) + cloud * share
    return Sky(_with_ground(light)), Sun(towards, tint * (1 - 0.72 * low))


def night(rng):
    """A sky without moon, a little brighter where a town lies behind the horizon."""
    directions = sky_directions(HEIGHT, WIDTH)
    town = direction(rng.uniform(-60, 60), 0)
    glow = np.exp(-directions[..., 2:].clip(0) / 0.15) * (0.4 + (directions @ town)[..., None])
    light = np.array([0.3, 0.35, 0.5]) + np.array([0.9, 0.65, 0.4]) * glow.clip(0)
    return Sky(_with_ground(light * 10 ** rng.uniform(-3.0, -1.9)))


def horizon_of(sky, azimuth=0.0):
    """The mean radiance (3,) just above the horizon, within 40 degrees of `azimuth`."""
    directions = sky_directions(HEIGHT, WIDTH)
    low = (directions[..., 2] > 0.01) & (directions[..., 2] < 0.12)
    return sky.radiance[low & (directions @ direction(azimuth, 0) > 0.76)].mean(0)


def _clouds(rng, slope):
    """A layer of noise overhead, seen in perspective, (HEIGHT, WIDTH)."""
    directions = sky_directions(HEIGHT, WIDTH)
    level = directions[..., :2] / (directions[..., 2:].clip(0) + 0.12)
    place = (level * 90 + rng.uniform(0, 512, 2)).astype(np.float32)
    layer = noise(rng, slope, size=512).astype(np.float32)
    return cv2.remap(layer, *np.moveaxis(place, 2, 0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _with_ground(light):
    """Below the horizon, past the end of the world, the dim colour that is just above it."""
    light = np.array(light, np.float32)
    light[HEIGHT // 2 :] = 0.35 * light[HEIGHT // 2 - 1].mean(0)
    return light
