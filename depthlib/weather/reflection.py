"""Reflections in a windshield, a window or a lens."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from depthlib.weather.light import draw_patches, effect, to_light, to_photo


@effect
def reflection(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """What a pane mirrors lies over the scene: I + r R, in linear light (Levin and Weiss, 2007).

    R is drawn, as light: two times in three a dashboard from behind a tilted windshield (a sunlit
    top with its edge, the vents' slats, papers, a bracket), else a room's windows and lamps. It is
    out of focus and seen twice, at both faces of the pane. At strength 1 r is .2 to .6: glass at 60
    degrees mirrors about a sixth, and the dashboard may lie in the sun and the road not.
    """
    height, width = depth_m.shape
    draw = _draw_dashboard if rng.random() < 2 / 3 else _draw_room
    mirrored = draw(-(-height // 2), -(-width // 2), rng)
    mirrored = cv2.GaussianBlur(mirrored, (0, 0), rng.uniform(0.4, 1.4) * width / 320)
    shift = rng.uniform(-4, 4, 2) * width / 320
    again = cv2.warpAffine(
        mirrored,
        np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32),
        mirrored.shape[1::-1],
        borderMode=cv2.BORDER_REPLICATE,
    )
    mirrored = cv2.addWeighted(mirrored, 0.6, again, 0.4, 0)
    light = to_light(rgb)
    share = strength * rng.uniform(0.2, 0.6) / 255
    light *= 1 - 0.1 * strength
    light += cv2.resize(mirrored, (width, height)) * np.float32(share)
    return to_photo(light)


def _draw_dashboard(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A dashboard's top as the pane shows it, uint8 (height, width, 3), the far side on top."""
    colour = rng.uniform(50, 180) * rng.uniform((0.95, 0.9, 0.8), (1.05, 1.0, 1.05))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = colour * rng.uniform(0, 0.15)
    top, tilt, bow = rng.uniform((0.35, -0.08, 0.02), (0.7, 0.08, 0.12))

    def place(points: ArrayLike) -> np.ndarray:
        """Pixels of points: x 0 to 1 across, y 0 at the top's far edge, 1 at the near one."""
        x, y = np.array(points, np.float64).T
        rows = top + tilt * (x - 0.5) + bow * (2 * x - 1) ** 2 + y * (1 - top)
        return np.stack([x * width, rows * height], axis=1).astype(np.int32)

    def fill(points: ArrayLike, shade: np.ndarray) -> None:
        cv2.fillPoly(picture, [place(points)], shade.tolist())

    across = np.linspace(-0.1, 1.1, 13)
    edge = [(x, 0) for x in across]
    fill([*edge, (1.2, 2), (-0.2, 2)], colour)
    # The gap before the pane is dark, its rim catches the light.
    gap = rng.uniform(0.04, 0.15)
    fill([*edge, *((x, gap) for x in across[::-1])], colour * rng.uniform(0.1, 0.5))
    cv2.polylines(picture, [place([(x, gap) for x in across])], False, (colour * 1.25).tolist(), 1)
    for _ in range(rng.integers(1, 4)):
        left, y, wide, deep = rng.uniform((0, 0.1, 0.1, 0.1), (0.85, 0.5, 0.25, 0.3))
        for low in y + deep * np.arange(5) / 5:
            tops = np.array([(left, low), (left + wide, low)])
            fill([*tops, *(tops[::-1] + (0, deep / 9))], colour * rng.uniform(0.1, 0.3))
    for _ in range(rng.integers(0, 4)):
        fill(_make_sheet(rng, rng.uniform(0.08, 0.22)), rng.uniform(180, 255) * np.ones(3))
    fill(_make_sheet(rng, 0.06) * (1, 0.5), colour * rng.uniform(0.1, 1.2))
    return _shade(picture, rng)


def _make_sheet(rng: np.random.Generator, size: float) -> np.ndarray:
    """Four corners of something flat that lies askew, (4, 2)."""
    turn = rng.uniform(0, np.pi) + np.array([0, 0.35, 1, 1.35]) * np.pi
    corners = np.stack([np.cos(turn), np.sin(turn) * 2], axis=1) * size
    return corners + rng.uniform((0.1, 0.2), (0.9, 0.9))


def _draw_room(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Windows with their bars, lamps and a pale wall, uint8 (height, width, 3)."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = rng.uniform(5, 70) * rng.uniform(0.85, 1, 3)
    for _ in range(rng.integers(1, 4)):
        x, y, wide, high = rng.uniform((0, 0, 0.08, 0.15), (0.9, 0.6, 0.3, 0.5))
        lean = rng.uniform(-0.1, 0.1)
        shade = rng.uniform(120, 255) * rng.uniform((0.85, 0.9, 0.9), 1, 3)
        bars = rng.integers(1, 4)
        for left in np.arange(bars) / bars:
            near, far = x + wide * left, x + wide * (left + 0.9 / bars)
            tops = np.array([(near, y), (far, y + lean / bars)])
            quad = np.concatenate([tops, tops[::-1] + (0, high)]) * (width, height)
            cv2.fillPoly(picture, [quad.astype(np.int32)], shade.tolist())
    for x, y, size in rng.uniform((0, 0, 0.01), (1, 0.5, 0.04), (rng.integers(0, 4), 3)):
        centre = int(x * width), int(y * height)
        cv2.circle(picture, centre, max(1, int(size * width)), (255, 240, 205), -1)
    return _shade(picture, rng)


def _shade(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven light over a picture, uint8."""
    height, width = picture.shape[:2]
    light = draw_patches(rng, height, width, 0.3, 1)
    return cv2.multiply(picture, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dtype=cv2.CV_8U)
