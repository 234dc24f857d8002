"""Glare of a low sun or a lamp."""

import math

import cv2
import numpy as np

from depthlib.weather.light import effect, to_light, to_photo

_GHOSTS = 6


@effect
def glare(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Light that lens and pane scatter: a veil about the sun, rays, and ghosts of the aperture.

    The sun stands at the brightest of 16 points of the upper half (a sky, a window, a lamp), or,
    where none is bright, above the frame. The veil falls with the square of the angle (Vos, CIE
    Journal 3, 1984: disability glare); ghosts lie on the line through sun and centre (Hullin et
    al., SIGGRAPH 2011). Added in linear light; the camera answers by closing its aperture a little.
    """
    height, width = depth_m.shape
    light = to_light(rgb)
    row, column = _place_sun(light, rng)
    angles, powers = rng.uniform(0, np.pi, 7), rng.random(7) ** 2
    core, veil = rng.uniform((0.02, 0.16), (0.05, 0.35)).tolist()
    # Half the size: all of it is smooth.
    down = (np.arange(0, height, 2, dtype=np.float32)[:, None] - row) / width
    right = (np.arange(0, width, 2, dtype=np.float32)[None] - column) / width
    distance = down**2 + right**2
    added = veil / (1 + distance / 0.35**2) + 1.5 / (1 + distance / core**2) ** 1.5
    for angle, power in zip(angles.tolist(), powers.tolist(), strict=True):
        across = math.sin(angle) * right - math.cos(angle) * down
        added += 0.6 * power * np.exp(-((across / 0.006) ** 2)) / (1 + distance / 0.12**2)
    tint = np.array([1, rng.uniform(0.86, 0.97), rng.uniform(0.65, 0.95)], np.float32)
    added = added[..., None] * tint + _draw_ghosts(added.shape, row, column, rng)
    light *= 1 - 0.3 * strength
    light += cv2.resize(added, (width, height)) * strength
    return to_photo(light)


def _place_sun(light: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Row and column, in pixels; the row may lie above the photo."""
    height, width = light.shape[:2]
    rows, columns = (rng.random((2, 16)) * [[0.45 * height], [width]]).astype(int)
    outside = -rng.uniform(0.05, 0.25) * height
    grey = light[rows, columns].mean(axis=1)
    best = np.argmax(grey)
    return (int(rows[best]) if grey[best] > 0.8 else outside), int(columns[best])


def _draw_ghosts(
    shape: tuple[int, ...], row: float, column: float, rng: np.random.Generator
) -> np.ndarray:
    """Pale discs (rows, columns, 3) float32 along the line from the sun through the centre."""
    layer = np.zeros((*shape, 3), np.float32)
    middle = np.array([shape[1], shape[0]]) / 2
    away = middle - np.array([column, row]) / 2
    corners = rng.integers(6, 10)
    turn = rng.uniform(0, np.pi) + np.arange(corners) * 2 * np.pi / corners
    for along, size, power in rng.uniform((-0.6, 0.01, 0.2), (1.6, 0.08, 1), (_GHOSTS, 3)):
        blades = np.stack([np.cos(turn), np.sin(turn)], axis=1) * size * shape[1]
        colour = 0.12 * power * rng.uniform(0.4, 1, 3)
        disc = np.zeros_like(layer)
        edge = (middle + along * away + blades).astype(np.int32)
        cv2.fillConvexPoly(disc, edge, colour.tolist())
        layer += disc
    return cv2.GaussianBlur(layer, (0, 0), shape[1] / 120)
