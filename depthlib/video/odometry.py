"""How the camera moved between the frames of a video: a turn and a shift for each.

Turn and direction come from the essential matrix (Nistér 2004, found by MAGSAC++, arXiv
1912.05909), which most points of the two frames share. How long the shift is they cannot tell: what
the frame before saw of the same points does, or a second camera.
"""

from typing import NamedTuple

import cv2
import numpy as np

from depthlib.data.intrinsics import Intrinsics
from depthlib.video.points import FEWEST, find_corners, follow, shrink

POINTS = 1500  # that are followed, at most
SHARE = 0.5  # of the points, that a motion must explain
MISSED = 0.5  # pixels by which a point may miss its place by the motion
# Of the points that a motion explains, the share that a homography may explain too: all of a plane,
# which looks alike for many motions, and all where the camera turns on the spot. On KITTI's drive
# 0005 up to .5, of one plane and of turns .97 to 1.
FLAT = 0.9
MOST_TURNED = 0.5  # radians between two frames: by more, hardly a point would be followed
PARALLAX = 1.0  # pixels that a point must move by the shift alone, for its depth to be told


class _View(NamedTuple):
    """Another view of a frame, grey, and the motion from the frame's camera to it."""

    grey: np.ndarray
    motion: np.ndarray


class Odometer:
    """Tells of each frame how the camera moved since the one before.

    camera: of the frames, at any size. typical: how far the median point is where a shot begins,
    which sets the unit of one camera alone. baseline: metres to a right camera, if there is one:
    shifts are metres then.
    """

    def __init__(
        self, camera: Intrinsics, typical: float = 1.0, baseline: float | None = None
    ) -> None:
        self.camera = camera
        self.typical = typical
        self.baseline = baseline
        self._last: np.ndarray | None = None
        self._other: _View | None = None  # of the last frame: what tells how far its points are

    def begin(self, photos: tuple[np.ndarray, ...]) -> None:
        """Takes the first frame of a shot: uint8 (height, width, 3), the right one's after it."""
        left, *right = (shrink(rgb) for rgb in photos)
        self._last, self._other = left, None
        if right and self.baseline:
            self._other = _View(right[0], np.array([0, 0, 0, -self.baseline, 0, 0]))

    def move(self, photos: tuple[np.ndarray, ...]) -> np.ndarray | None:
        """The motion from the last frame's camera to this one's, (6,), as `Views` has it.

        None where it cannot be told, as where the camera turns on the spot: a shot begins there.
        """
        before, other = self._last, self._other
        self.begin(photos)
        now = self._last
        if before is None or now is None or before.shape != now.shape:
            return None
        motion = self._find(before, now, other)
        if motion is not None and self._other is None:
            self._other = _View(before, invert(motion))
        return motion

    def _find(self, before: np.ndarray, now: np.ndarray, other: _View | None) -> np.ndarray | None:
        camera = self.camera.resize(*now.shape)
        points = find_corners(before, POINTS)
        ends, found = follow(before, now, points)
        if found.sum() < FEWEST:
            return None
        motion, fits = _find_unit_motion(points[found], ends[found], camera)
        is_flat = _count_flat(points[found], ends[found]) > FLAT * fits.sum()
        if fits.mean() < SHARE or is_flat or np.linalg.norm(motion[:3]) > MOST_TURNED:
            return None
        far, told = triangulate(points, ends, motion, camera)
        told &= found
        told[found] &= fits
        true = np.full_like(far, self.typical)
        if other is not None:
            seen, seen_found = follow(before, other.grey, points)
            true, true_told = triangulate(points, seen, other.motion, camera)
            told &= seen_found & true_told
        if told.sum() < FEWEST:
            return None
        motion[3:] *= np.median(true[told] / far[told])
        return motion


def triangulate(
    points: np.ndarray, ends: np.ndarray, motion: np.ndarray, camera: Intrinsics
) -> tuple[np.ndarray, np.ndarray]:
    """How far points are, (n,), in the unit of the shift, and of which that can be told.

    points, ends: (n, 2), pixels of the same in two views; motion: (6,), from the first camera to
    the second. The depth is that for which the point lies nearest to its ray, as seen from the
    second camera: least squares of the cross product of both.
    """
    rays, other = (_to_rays(pixels, camera) for pixels in (points, ends))
    turned = rays @ cv2.Rodrigues(motion[:3])[0].T
    across, along = np.cross(other, turned), np.cross(other, motion[3:])
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -(across * along).sum(axis=1) / (across**2).sum(axis=1)
        by_turn_alone = turned[:, :2] / turned[:, 2:]
    moved = np.linalg.norm((other[:, :2] - by_turn_alone) * (camera.fx, camera.fy), axis=1)
    return depth, (moved > PARALLAX) & (depth > 0) & np.isfinite(depth)


def invert(motion: np.ndarray) -> np.ndarray:
    """The motion (6,), a turn and a shift, the other way round."""
    return np.concatenate([-motion[:3], -cv2.Rodrigues(motion[:3])[0].T @ motion[3:]])


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The motion (6,) that two make, one after the other."""
    turn = cv2.Rodrigues(second[:3])[0]
    both = cv2.Rodrigues(turn @ cv2.Rodrigues(first[:3])[0])[0][:, 0]
    return np.concatenate([both, turn @ first[3:] + second[3:]])


def _find_unit_motion(
    points: np.ndarray, ends: np.ndarray, camera: Intrinsics
) -> tuple[np.ndarray, np.ndarray]:
    """The motion (6,) whose shift has length 1, and which points it explains, bool (n,)."""
    essential, fits = cv2.findEssentialMat(
        points, ends, camera.matrix, cv2.USAC_MAGSAC, 0.9999, MISSED
    )
    if essential is None or essential.shape != (3, 3):
        return np.zeros(6), np.zeros(len(points), bool)
    _, turn, shift, _ = cv2.recoverPose(essential, points, ends, camera.matrix, mask=fits.copy())
    return np.concatenate([cv2.Rodrigues(turn)[0][:, 0], shift[:, 0]]), fits[:, 0] > 0


def _count_flat(points: np.ndarray, ends: np.ndarray) -> int:
    """How many of the points (n, 2) one homography explains."""
    fits = cv2.findHomography(points, ends, cv2.USAC_MAGSAC, MISSED)[1]
    return 0 if fits is None else int(fits.sum())


def _to_rays(pixels: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """The points (n, 3) that are seen at these pixels (n, 2), at depth 1."""
    x = (pixels[:, 0] - camera.cx) / camera.fx
    y = (pixels[:, 1] - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=1)
