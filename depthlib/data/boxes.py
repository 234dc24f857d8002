"""Boxes of a lorry's size, drawn into photos of roads together with their depth.

What stands upright on the road is as far at its top as at its foot. A laser reaches little above
the horizon and renderers know few kinds of lorry, so a network that learns from them takes roofs
for sky. A box's sides are parts of other photos or plain colours: copy-paste (arXiv 2012.07177)
and domain randomisation (arXiv 1703.06907).
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

CAMERA_HEIGHT = 1.65  # metres, KITTI's; the boxes' sizes and places are for a camera so high
NEAREST, FARTHEST = 5.0, 60.0
LANE = 3.5
SIGNS = 0.15  # of the boxes: signs above the road
_LEAST_ROAD = 20  # pixels that tell the camera's height
_SIDE = 96  # pixels of a side's picture


@dataclass(frozen=True)
class Box:
    """Where a box is, metres: to the right of the camera, above the road, and ahead (its rear)."""

    left: float
    right: float
    low: float
    top: float
    rear: float
    length: float


@dataclass(frozen=True)
class Road:
    """How a photo of `rows` x `columns` sees a level road.

    horizon: its row over the height. focal: pixels, across and down. height: the camera's above
    the road, in the unit of the photo's depth.
    """

    rows: int
    columns: int
    horizon: float
    focal: tuple[float, float]
    height: float

    @cached_property
    def slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """How far right (columns,) and below the camera (rows,) a pixel is, a metre ahead."""
        across = np.arange(self.columns, dtype=np.float32) + 0.5 - self.columns / 2
        down = np.arange(self.rows, dtype=np.float32) + 0.5 - self.horizon * self.rows
        return across / self.focal[0], down / self.focal[1]


def add_boxes(
    rgb: np.ndarray,
    depth: np.ndarray,
    horizon: float,
    focal: tuple[float, float],
    other: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draws one to three boxes into a photo and its depth, in place, behind what is nearer.

    rgb: uint8 (height, width, 3). depth: float32 (height, width), metres, 0 where not measured.
    horizon: its row over the height. focal: pixels, across and down. other: uint8 RGB, any photo
    whose parts may be a box's sides. Where `find_camera_height` finds no road, nothing changes.
    """
    height = find_camera_height(depth, horizon, focal[1])
    if height is None:
        return
    rows, columns = depth.shape
    road = Road(rows, columns, horizon, focal, height)
    boxes = [_draw(rng, height / CAMERA_HEIGHT) for _ in range(rng.integers(1, 4))]
    for box in sorted(boxes, key=lambda box: -box.rear):
        if box.length and box.left > 0:
            _draw_side(rgb, depth, road, box, box.left, _make_picture(other, rng))
        if box.length and box.right < 0:
            _draw_side(rgb, depth, road, box, box.right, _make_picture(other, rng))
        _draw_rear(rgb, depth, road, box, _make_picture(other, rng))


def find_camera_height(depth: np.ndarray, horizon: float, focal: float) -> float | None:
    """How high the camera is above the road, by the road's depth in the middle of the last rows.

    `depth`, `horizon` as `add_boxes` takes them, focal: pixels, down. In metres; None where too
    little is measured there, or it is no level road.
    """
    rows, columns = depth.shape
    first = round(rows * (0.4 * horizon + 0.6))
    part = depth[first:, columns // 3 : columns - columns // 3]
    below = (np.arange(first, rows)[:, None] + 0.5 - horizon * rows) / focal
    heights = (part * below)[part > 0]
    if len(heights) < _LEAST_ROAD:
        return None
    low, middle, high = np.percentile(heights, [25, 50, 75])
    return float(middle) if high - low < 0.2 * middle else None


def _draw(rng: np.random.Generator, scale: float) -> Box:
    """A lorry or van in the camera's lane or the next two, now and then a sign above them."""
    rear = np.exp(rng.uniform(np.log(NEAREST), np.log(FARTHEST)))
    middle = LANE * rng.integers(-2, 3) + rng.uniform(-0.8, 0.8)
    if rng.random() < SIGNS:
        half, low, top, length = 2.5, rng.uniform(4.2, 5.5), rng.uniform(6, 8), 0.0
    else:
        half, low, top = rng.uniform(0.9, 1.3), 0.0, rng.uniform(1.6, 4.2)
        length = rng.uniform(3, 14)
    sides = (middle - half, middle + half, low, top, rear, length)
    return Box(*(float(scale * side) for side in sides))


def _draw_rear(
    rgb: np.ndarray, depth: np.ndarray, road: Road, box: Box, picture: np.ndarray
) -> None:
    across, _ = road.slopes
    ahead = np.full_like(across, box.rear)
    along = (across * box.rear - box.left) / (box.right - box.left)
    _fill(rgb, depth, road, box, ahead, along, picture)


def _draw_side(
    rgb: np.ndarray, depth: np.ndarray, road: Road, box: Box, place: float, picture: np.ndarray
) -> None:
    across, _ = road.slopes
    with np.errstate(divide="ignore"):
        ahead = place / across
    _fill(rgb, depth, road, box, ahead, (ahead - box.rear) / box.length, picture)


def _fill(
    rgb: np.ndarray,
    depth: np.ndarray,
    road: Road,
    box: Box,
    ahead: np.ndarray,
    along: np.ndarray,
    picture: np.ndarray,
) -> None:
    """Draws an upright face that is `ahead` metres far in each column, `along` 0 to 1 of it."""
    seen = np.flatnonzero((along >= 0) & (along < 1) & (ahead > 0))
    if not len(seen):
        return
    part = np.s_[:, seen[0] : seen[-1] + 1]  # an upright face is seen in neighbouring columns
    far, along = ahead[part[1]], along[part[1]]
    heights = road.height - road.slopes[1][:, None] * far
    share = (box.top - heights) / (box.top - box.low)
    face = (share >= 0) & (share < 1) & ~_find_nearer(depth[part], 0.9 * far)
    last = _SIDE - 1
    columns = np.broadcast_to((along * last).astype(np.float32), share.shape)
    places = np.ascontiguousarray(columns), (share.clip(0, 1) * last).astype(np.float32)
    drawn = cv2.remap(picture, *places, cv2.INTER_LINEAR).astype(np.float32)
    weight = cv2.GaussianBlur(face.astype(np.float32), (3, 3), 0.6)[..., None]
    if not box.low:  # its shadow beneath
        ground = (share >= 1) & (heights > -0.25 * road.height / CAMERA_HEIGHT)
        ground &= ~_find_nearer(depth[part], 0.8 * far)
        rgb[part][ground] = (0.45 * rgb[part][ground]).astype(np.uint8)
    rgb[part] = np.rint(rgb[part] + weight * (drawn - rgb[part]))
    depth[part][face] = np.broadcast_to(far, face.shape)[face]


def _find_nearer(depth: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Where something is nearer than `far` (columns,): bool, of the shape of `depth`."""
    nearer = (depth > 0) & (depth < far)
    # A laser's points stand apart; what lies between two that are nearer is nearer as well.
    return cv2.morphologyEx(nearer.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 5))) > 0


def _make_picture(other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a side looks like, float32 RGB (_SIDE, _SIDE, 3): photo, paint, or both."""
    height, width = other.shape[:2]
    rows, columns = int(height * rng.uniform(0.15, 0.8)), int(width * rng.uniform(0.08, 0.4))
    top, left = rng.integers(height - rows), rng.integers(width - columns)
    part = other[top : top + rows + 1, left : left + columns + 1]
    photo = cv2.resize(part, (_SIDE, _SIDE)).astype(np.float32)
    paint = np.full((_SIDE, _SIDE, 3), rng.uniform(20, 255, 3), np.float32)
    if rng.random() < 0.4:
        paint[:] = rng.uniform(30, 255)
    paint += rng.normal(0, rng.uniform(0, 8), (_SIDE, _SIDE, 1))
    if rng.random() < 0.5:  # ribs or planks
        period, deep = int(rng.integers(4, 24)), rng.uniform(0.05, 0.4)
        wave = 1 - deep * (np.arange(_SIDE) % period < max(1, period // 4)).astype(np.float32)
        paint *= wave[:, None, None] if rng.random() < 0.5 else wave[None, :, None]
    share = rng.choice([0.0, 1.0, rng.uniform(0.2, 0.7)])
    picture = (share * photo + (1 - share) * paint) * rng.uniform(0.5, 1.1)
    if rng.random() < 0.6:  # chassis and tail lights
        foot, lamp = round(_SIDE * rng.uniform(0.5, 0.9)), _SIDE // 8
        below = photo if rng.random() < 0.5 else picture
        picture[foot:] = below[foot:] * rng.uniform(0.1, 0.6)
        picture[foot : foot + lamp // 2, [*range(4, 4 + lamp), *range(-4 - lamp, -4)]] = (
            220,
            40,
            30,
        )
    return np.clip(picture, 0, 255).astype(np.uint8)
