"""Points that are followed from one picture to another: corners, by pyramids of both."""

import cv2
import numpy as np

WIDTH = 640  # pixels at which pictures are compared
FEWEST = 24  # points of a picture that shows enough to follow
MISSED = 1.0  # pixels by which a point may miss its start when it is followed there and back


def shrink(rgb: np.ndarray) -> np.ndarray:
    """The picture in grey, at most WIDTH wide."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = WIDTH / grey.shape[1]
    if scale >= 1:
        return grey
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def find_corners(grey: np.ndarray, most: int) -> np.ndarray:
    """At most so many corners (Shi and Tomasi 1994), float32 (n, 2): x and y in pixels."""
    corners = cv2.goodFeaturesToTrack(grey, most, 0.01, 7)
    return np.zeros((0, 2), np.float32) if corners is None else corners[:, 0]


def follow(one: np.ndarray, other: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points (n, 2) of a grey picture are in another one, and which were found, bool (n,).

    By pyramids (Bouguet 2001), there and back.
    """
    if not len(points):
        return points, np.zeros(0, bool)
    ends, seen, _ = cv2.calcOpticalFlowPyrLK(one, other, points, points.copy())
    back, returned, _ = cv2.calcOpticalFlowPyrLK(other, one, ends, ends.copy())
    missed = np.linalg.norm(back - points, axis=1)
    return ends, (missed < MISSED) & (seen[:, 0] == 1) & (returned[:, 0] == 1)
