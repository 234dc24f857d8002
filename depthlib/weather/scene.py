"""What an effect must know of a scene: a depth for each pixel, where the sky is, where the ground.

Without intrinsics a camera is assumed: square pixels and a focal length of 0.75 times the width
(67 degrees across), between the Kinect's 0.81 and the 0.58 of KITTI's colour cameras.
"""

from dataclasses import dataclass

import cv2
import numpy as np

FOCAL = 0.75
OPEN = 15.0  # metres; a scene whose far end is nearer has a ceiling, so no sky
SKY = 3.0  # the sky's depth, in far ends: far enough, yet the faintest fog does not hide it
_CELLS = (30, 40)  # about the angle between two rows of a LiDAR with 64 beams
_SPARSE = 0.5  # of the pixels; with fewer valid ones, what lies between them is a guess
_TRIPLES, _POINTS = 64, 400
_BRIGHT = np.clip(np.arange(256) / 60 - 2, 0, 1).astype(np.float32)  # how far a value is a sky's


@dataclass(frozen=True)
class Scene:
    """`depth_m` (height, width) without holes, `sky` 0 to 1, and `far`, where the scene ends.

    `far` is the 95th percentile of the measured depth, in metres.
    """

    depth_m: np.ndarray
    sky: np.ndarray
    far: float


def read_scene(rgb: np.ndarray, depth_m: np.ndarray) -> Scene:
    """Fills depth for an effect's use alone; a scene without any is 10 m away and ends at 20 m.

    Where most pixels are valid, holes (a mirror, a shadow of the Kinect) get the mean inverse
    depth around them. LiDAR's sparse points become a smooth map whose edges follow the photo's.
    Outdoors, what has nothing measured above it in its column is sky; with LiDAR, which does not
    look up, only as far as it is bright and bluish: the rest is as far as what stands below it.
    """
    height, width = depth_m.shape
    valid = depth_m > 0
    share = valid.mean()
    if not share:
        return Scene(np.full_like(depth_m, 10), np.zeros_like(depth_m), 20.0)
    nearness = np.divide(1, depth_m, out=np.zeros_like(depth_m), where=valid)
    if share == 1:
        far = np.percentile(depth_m[::4, ::4], 95)
        return Scene(depth_m, np.zeros_like(depth_m), float(far))
    cells, weights = _pool(nearness), _pool(valid.astype(np.float32))
    measured = weights > 0
    far = float(1 / np.percentile(cells[measured] / weights[measured], 5))
    smooth = _fill(cells, weights)
    if share < _SPARSE:
        smooth = _follow_edges(smooth, rgb)
        sky = _see_sky(measured, rgb)
    else:
        smooth = np.where(valid, nearness, cv2.resize(smooth, (width, height)))
        sky = (~np.logical_or.accumulate(valid, axis=0)).astype(np.float32)
    sky *= far > OPEN
    smooth += sky * (1 / (SKY * far) - smooth)
    return Scene(1 / smooth, sky, far)


def _pool(image: np.ndarray) -> np.ndarray:
    rows, columns = (min(pair) for pair in zip(_CELLS, image.shape, strict=True))
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)


def _fill(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means in cells, those of empty ones over ever wider surroundings."""
    sums, weights, size = sums.copy(), weights.copy(), 3
    while (empty := weights <= 1e-6).any():
        for total in (sums, weights):
            total[empty] = cv2.blur(total, (size, size))[empty]
        size = 2 * size + 1
    return sums / weights


def _see_sky(measured: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Sky, 0 to 1, above the LiDAR's upper rows and between the tree tops that they still meet."""
    covered = np.logical_or.accumulate(measured, axis=0)
    clear: np.ndarray = np.ones(measured.shape, np.float32)
    clear[3:] = ~covered[:-3]
    clear = cv2.resize(cv2.blur(clear, (3, 3)), rgb.shape[1::-1])
    red, _, blue = cv2.split(rgb)
    return clear * cv2.LUT(blue, _BRIGHT) * (cv2.subtract(red, blue) <= 20)


def _follow_edges(cells: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Cells at the photo's size with its edges, by a guided filter that is fitted at a quarter."""
    height, width = rgb.shape[:2]
    guide = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    small = (max(1, width // 4), max(1, height // 4))
    grey = cv2.resize(guide, small, interpolation=cv2.INTER_AREA)
    fitted = fit_guide(grey, cv2.resize(cells, small), 9, noise=0.01)
    slope, shift = (cv2.resize(image, (width, height)) for image in fitted)
    return np.clip(slope * guide + shift, cells.min(), cells.max())


def view_rays(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """x (1, width) to the right and y (height, 1) down of each pixel's ray, at depth 1."""
    columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
    rows = np.arange(height, dtype=np.float32) - (height - 1) / 2
    scale = np.float32(1 / (FOCAL * width))
    return columns[None] * scale, rows[:, None] * scale


def find_ground(depth_m: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """The ground n, float32 (3,), with n·P = 1 for its points P (right, down, forward, metres).

    So 1/depth = n·(x, y, 1) along a pixel's ray. RANSAC over valid points of the lower 60 %; a
    point under a plane counts against it, so a table is no ground. None where no plane within 37
    degrees of level holds a fifth of the points.
    """
    height, width = depth_m.shape
    top = int(0.4 * height)
    places = np.flatnonzero(depth_m[top:])
    if len(places) < 20:
        return None
    rows, columns = np.divmod(places[rng.integers(len(places), size=_POINTS)], width)
    x, y = view_rays(height, width)
    rays = np.stack([x[0, columns], y[rows + top, 0], np.ones(_POINTS, np.float32)], axis=1)
    nearness = 1 / depth_m[rows + top, columns]
    triples = rng.integers(_POINTS, size=(_TRIPLES, 3))
    corners = rays[triples].astype(np.float64) + 1e-7 * np.eye(3)  # never quite singular
    planes = np.linalg.solve(corners, nearness[triples][..., None])[..., 0].astype(np.float32)
    level = planes[:, 1] > 0.8 * np.linalg.norm(planes, axis=1)
    ratios = nearness / np.maximum(planes @ rays.T, 1e-6)
    scores = (abs(ratios - 1) < 0.05).mean(axis=1) - 2 * (ratios < 0.85).mean(axis=1)
    ground = planes[np.argmax(np.where(level, scores, -9))]
    for _ in range(2):
        inside = abs(nearness / np.maximum(rays @ ground, 1e-6) - 1) < 0.05
        if inside.sum() < 0.2 * _POINTS:
            return None
        ground = np.linalg.solve(rays[inside].T @ rays[inside], rays[inside].T @ nearness[inside])
    return ground if ground[1] > 0.8 * np.linalg.norm(ground) else None


def fit_guide(
    guide: np.ndarray, image: np.ndarray, side: int, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and shift by which `guide` becomes `image` around each pixel, float32 like both.

    He, Sun and Tang's guided filter (TPAMI 2013) of `image` is slope * guide + shift: its values
    with the guide's edges. `side` is that of the squares, pixels; what varies less than `noise`,
    a variance, is no edge.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side))

    guide_mean, image_mean = mean(guide), mean(image)
    slope = mean(guide * image) - guide_mean * image_mean
    slope /= mean(guide * guide) - guide_mean**2 + noise
    return mean(slope), mean(image_mean - slope * guide_mean)
