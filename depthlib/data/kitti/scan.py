"""One scan and the camera that saw its scene: calibration files, .bin, depth map."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthlib.data.intrinsics import (
    CameraCalibration,
    check_matrix,
    check_rotation,
    check_size,
)
from depthlib.files import check_regular

WHERE = "https://www.cvlibs.net/datasets/kitti/raw_data.php"
_FARTHEST = 100  # metres between scanner and camera: both are on one car
_POINT = 4 * 4  # bytes: x, y, z and reflectance as float32


@dataclass(frozen=True, eq=False)
class Camera:
    """A rectified camera of one day's drives.

    height, width: of its photos, pixels. intrinsics: (3, 3), pixels. from_scan: (3, 4), takes a
    scan's [x, y, z, 1] in metres to [u * depth, v * depth, depth], depth in metres along the axis.
    """

    height: int
    width: int
    intrinsics: np.ndarray
    from_scan: np.ndarray

    @property
    def focal(self) -> float:
        """The focal length in pixels of the full photo."""
        return float(self.intrinsics[0, 0])

    @property
    def digest(self) -> str:
        """A SHA-256 of the size and the matrix: the same camera makes the same maps."""
        numbers = np.append(self.from_scan, [self.height, self.width]).astype("<f8")
        return hashlib.sha256(numbers.tobytes()).hexdigest()


def read_camera(folder: Path | str, camera: str = "02") -> Camera:
    """The camera "02" (left) or "03" (right, both in colour) of the day whose files `folder` holds.

    Reads calib_cam_to_cam.txt and calib_velo_to_cam.txt; the products are those of the readme of
    KITTI's raw data: P_rect · R_rect_00 · (R | T). Errors: FileNotFoundError for a missing file,
    ValueError for one that lacks a matrix, or holds numbers that no camera or no rig has.
    """
    folder = Path(folder)
    cameras, scanner = (folder / f"calib_{name}_to_cam.txt" for name in ("cam", "velo"))
    projection = _read_matrix(cameras, f"P_rect_{camera}", 3, 4)
    width, height = _read_matrix(cameras, f"S_rect_{camera}", 1, 2)[0]
    check_size(height, width, cameras)
    check_matrix(projection[:, :3], cameras)
    view = CameraCalibration(cameras, projection[:, :3], np.zeros(0), False, None)
    view.fit(int(height), int(width))
    turn, shift = _read_matrix(scanner, "R", 3, 3), _read_matrix(scanner, "T", 3, 1)
    rectifying = _read_matrix(cameras, "R_rect_00", 3, 3)
    for rotation, path in ((turn, scanner), (rectifying, cameras)):
        check_rotation(rotation, path)
    if np.abs(shift).max() > _FARTHEST:
        raise ValueError(
            f"The scanner must be within {_FARTHEST} m of the cameras. Received: T of "
            f"{shift.ravel().tolist()} in {scanner}. Write metres."
        )
    rectify = np.eye(4)
    rectify[:3] = rectifying @ np.hstack([turn, shift])
    return Camera(int(height), int(width), projection[:, :3], projection @ rectify)


def read_scan(path: Path | str) -> np.ndarray:
    """A scan's points, float32 (points, 4): x ahead, y left, z up in metres, and reflectance.

    Errors: FileNotFoundError; ValueError for a file that is empty, cut off within a point, or
    holds numbers that are not finite.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}. Some photos of KITTI have no scan: leave the frame out, or "
            "download the drive again."
        )
    check_regular(path)
    data = path.read_bytes()
    if not data or len(data) % _POINT:
        raise ValueError(
            f"A scan must hold whole points of {_POINT} bytes. Received: {len(data)} bytes in "
            f"{path}. Copy or download it again."
        )
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    if not np.isfinite(points).all():
        raise ValueError(
            "A scan must hold finite numbers. Received: "
            f"{np.count_nonzero(~np.isfinite(points))} that are not in {path}. Download it again."
        )
    return points


def project(points: np.ndarray, camera: Camera, first_pixel: int = 1) -> np.ndarray:
    """Points (n, 3 or more), metres, as `camera` sees them: depth_m float32 (height, width).

    Where several points fall on a pixel the nearest stays; 0 where none does. What lies behind the
    camera or beside the photo is dropped. `first_pixel` is the coordinate of the first row and
    column: 1 as in the official MATLAB tools and in Eigen's ground truth, who round and take one
    off; with 0 every point lies a pixel further right and down.
    """
    points = points[points[:, 0] > 0, :3]  # the scanner looks ahead as the camera does
    right, down, depth = camera.from_scan @ np.vstack([points.T, np.ones(len(points))])
    seen = depth > 0
    right, down, depth = right[seen] / depth[seen], down[seen] / depth[seen], depth[seen]
    column, row = np.rint(right) - first_pixel, np.rint(down) - first_pixel
    inside = (row >= 0) & (row < camera.height) & (column >= 0) & (column < camera.width)
    nearest = np.full((camera.height, camera.width), np.inf, np.float32)
    pixels = row[inside].astype(int), column[inside].astype(int)
    np.minimum.at(nearest, pixels, depth[inside].astype(np.float32))
    return np.where(np.isinf(nearest), 0, nearest)


def _read_matrix(path: Path, name: str, rows: int, columns: int) -> np.ndarray:
    """The numbers after `name:` in a calibration file, float64 (rows, columns)."""
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}. Unpack the day's calibration (such as 2011_09_26_calib.zip, "
            f"{WHERE}) so that it lies beside the day's drives."
        )
    check_regular(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = (line.partition(":") for line in text.splitlines())
    try:
        numbers = [float(word) for key, _, said in lines if key == name for word in said.split()]
    except ValueError:
        numbers = []
    if len(numbers) != rows * columns or not np.isfinite(numbers).all():
        raise ValueError(
            f"A calibration file must say `{name}:` and {rows * columns} numbers. Received: "
            f"{len(numbers)} numbers in {path}. Download the day's calibration again, {WHERE}."
        )
    return np.array(numbers).reshape(rows, columns)
