"""How high a camera stands over the ground that it sees, in the unit of the depth."""

from typing import NamedTuple

import numpy as np

from depthlib.data.intrinsics import Intrinsics

TILT = 20.0  # degrees that the ground may be tilted, by a slope or by how the camera is held
ENOUGH = 0.2  # share of the pixels below the horizon that must be ground
_SPAN = 1 / 60  # of the height: over so much a normal is taken, as a network blurs depth
_MARGIN = 0.05  # of the height, below the horizon: where depth tells no normal


class Ground(NamedTuple):
    """What a photo's depth says of the ground: the camera's height over it, and its share.

    height: NaN where there is none. share: of the pixels below the horizon.
    """

    height: float
    share: float


def find_ground(depth: np.ndarray, camera: Intrinsics) -> Ground:
    """The ground before a camera, whose axis meets the horizon at its principal point.

    depth: float (height, width) along the optical axis, 0 where unknown. Ground is what lies below
    the horizon and whose surface is level within TILT. The height is measured along the median of
    its normals, so that a camera that looks a little down, or a slope, changes nothing.
    """
    height, width = depth.shape
    span = max(1, round(_SPAN * height))
    top = max(span, int(camera.cy + _MARGIN * height))
    z = np.asarray(depth, np.float64)
    x = (np.arange(width) - camera.cx) / camera.fx * z
    y = (np.arange(height) - camera.cy)[:, np.newaxis] / camera.fy * z
    points = np.stack([x, y, z], axis=-1)
    rows, columns = slice(top, height - span), slice(span, width - span)
    if top >= height - span or width <= 2 * span:
        return Ground(np.nan, 0.0)
    across = points[rows, 2 * span :] - points[rows, : -2 * span]
    ahead = points[top - span : height - 2 * span, columns] - points[top + span :, columns]
    normals = np.cross(ahead, across)
    lengths = np.linalg.norm(normals, axis=-1)
    known = (z[rows, columns] > 0) & (lengths > 0)
    normals /= np.where(lengths > 0, lengths, 1)[..., np.newaxis]
    ground = known & (normals[..., 1] > np.cos(np.radians(TILT)))
    share = float(ground.mean())
    if not ground.any():
        return Ground(np.nan, share)
    down = np.median(normals[ground], axis=0)
    heights = points[rows, columns][ground] @ (down / np.linalg.norm(down))
    return Ground(float(np.median(heights)), share)
