"""A synthetic drive in KITTI's files: python -m rendering.kitti_drive --folder FOLDER

A street of boxes on a plane, so its depth is known exactly: photos of the left colour camera at a
quarter of KITTI's size, a scan each, the two calibration files. No number is of KITTI's own.
With --pairs instead what two cameras see of it, to learn from without depth, and their rig.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from depthlib.data.dataset_file import make_spec, write_dataset_file
from depthlib.data.images import write_depth, write_rgb
from depthlib.data.intrinsics import CameraCalibration
from depthlib.data.kitti.scan import Camera, read_camera
from depthlib.data.pairs import find_pairs, write_csv
from depthlib.data.stereo import Rig, write_rig
from depthlib.files import write_bytes

SIZE = 94, 310
FOCAL = 180.0  # pixels
HORIZON = 0.41  # of the left camera, its row over the height
GROUND = -1.7  # metres; the scanner's height over it
RINGS, TURN = 32, 400  # lasers, and shots a turn
STEP = 0.8  # metres a frame
BASELINE = 0.54  # metres from the left camera to the right one
GRAIN, QUALITY = 0.25, 90  # of the pairs' surfaces, and of their JPEG
# x, y from and to (metres, ahead and left of the first scan), height, colour.
_BOXES = np.array(
    [
        (9, 22, 8.5, 16, 7, 172, 142, 118), (25, 40, 8.0, 16, 10, 150, 128, 120),
        (43, 70, 8.5, 18, 8, 182, 168, 140), (6, 16, -17, -9.0, 9, 160, 150, 146),
        (19, 34, -16, -8.2, 6, 186, 152, 120), (36, 70, -18, -9.0, 11, 140, 134, 130),
        (11, 15.2, 3.4, 5.2, 1.5, 150, 40, 40), (20, 24.4, 3.5, 5.3, 1.6, 50, 80, 140),
        (13, 17.3, -5.3, -3.5, 1.5, 60, 66, 70), (30, 38, -2.6, -0.2, 3.2, 214, 208, 196),
        (8, 8.2, -6.6, -6.4, 5, 90, 90, 92), (24, 24.2, 6.4, 6.6, 5, 90, 90, 92),
    ]
)  # fmt: skip


def write_synthetic(folder: Path | str, frames: int = 3) -> None:
    """Writes `frames` frames of one drive, and its day's calibration, under `folder`/made_up."""
    day = Path(folder) / "made_up"
    for name, text in _calibrate().items():
        write_bytes(day / name, text.encode())
    camera = read_camera(day)
    drive = day / "made_up_drive_0001_sync"
    for frame in range(frames):
        photo, _ = draw(camera, STEP * frame, detail=2)
        write_rgb(drive / f"image_02/data/{frame:010d}.png", photo)
        points = scan(STEP * frame).astype("<f4").tobytes()
        write_bytes(drive / f"velodyne_points/data/{frame:010d}.bin", points)


def write_pairs(folder: Path | str, frames: int) -> None:
    """Writes what both cameras see, left/ and right/, and their rig.yml.

    And depth/ of the left one with its drive.csv and dataset.json, to score what learned without.
    """
    folder = Path(folder)
    with TemporaryDirectory() as day:
        for name, text in _calibrate().items():
            write_bytes(Path(day) / name, text.encode())
        cameras = {"left": read_camera(day, "02"), "right": read_camera(day, "03")}
    spec = make_spec(
        "sample_drive",
        like="dense_m256",
        photo="left/{frame}.jpg",
        depth="depth/{frame}.png",
        min_depth=1.0,
        max_depth=80.0,
        focal=FOCAL / SIZE[1],
        aspect=SIZE[1] / SIZE[0],
        horizon=HORIZON,
        made_by="rendering.kitti_drive",
    )
    for frame in range(frames):
        for side, camera in cameras.items():
            photo, depth_m = draw(camera, STEP * frame, detail=2, grain=GRAIN)
            write_rgb(folder / side / f"{frame:06d}.jpg", photo, QUALITY)
            if side == "left":
                near = np.where(depth_m < spec.max_depth, depth_m, 0)[::2, ::2]
                write_depth(folder / "depth" / f"{frame:06d}.png", near, spec)
    write_dataset_file(spec, folder / "dataset.json")
    write_csv(find_pairs(folder, spec)[0], folder / "drive.csv")
    # Rows and columns of OpenCV's cameras count from 0.
    matrix = cameras["left"].intrinsics - [(0, 0, 1), (0, 0, 1), (0, 0, 0)]
    one = CameraCalibration(folder / "rig.yml", matrix, np.zeros(5), False, SIZE)
    write_rig(Rig(one, one, np.eye(3), np.array([-BASELINE, 0, 0])), folder / "rig.yml")


def draw(
    camera: Camera, ahead: float, detail: int = 1, grain: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The photo uint8 (height, width, 3) and exact depth_m (height, width) from `ahead` metres on.

    A pixel of the photo is the mean of `detail`² rays. grain: how much lighter and darker, as a
    share, surfaces are from place to place, or a plain one would show no motion. Rows and columns
    count from 1, as in the official tools (see `scan.project`), and depth is 0 in the sky.
    """
    rows, columns = (
        1 + (np.arange(size * detail) + 0.5) / detail - 0.5
        for size in (camera.height, camera.width)
    )
    down, right = np.meshgrid(rows, columns, indexing="ij")
    pixels = np.stack([right, down, np.ones_like(right)], axis=-1).reshape(-1, 3)
    inverse = np.linalg.inv(camera.from_scan[:, :3])
    rays, start = pixels @ inverse.T, -inverse @ camera.from_scan[:, 3]
    depth, colour = _trace(start + (ahead, 0, 0), rays)
    if grain:
        spots = _grain(start + (ahead, 0, 0) + rays * depth[:, None])
        colour = np.clip(colour * (1 + grain * (spots * (depth > 0))[:, None]), 0, 255)
    size, shape = (camera.width, camera.height), down.shape
    photo = cv2.resize(colour.reshape(*shape, 3), size, interpolation=cv2.INTER_AREA)
    return np.rint(photo).astype(np.uint8), depth.reshape(shape).astype(np.float32)


def scan(ahead: float) -> np.ndarray:
    """A whole turn of the scanner `ahead` metres on: (points, 4) as in KITTI, from the top ring."""
    turn, rise = np.meshgrid(
        np.linspace(-np.pi, np.pi, TURN, endpoint=False), np.radians(np.linspace(2, -24.8, RINGS))
    )
    rays = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], -1)
    rays = rays.reshape(-1, 3)
    distance, colour = _trace(np.array((ahead, 0.0, 0.0)), rays)
    back = np.concatenate([rays * distance[:, None], colour.mean(1, keepdims=True) / 255], axis=1)
    return back[(distance > 0) & (distance < 120)]


def _trace(start: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far along each ray (n, 3) the street begins (0: nowhere), and its colour (n, 3)."""
    rays = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    low = np.stack([_BOXES[:, 0], _BOXES[:, 2], np.full(len(_BOXES), GROUND)], axis=1)
    high = np.stack([_BOXES[:, 1], _BOXES[:, 3], GROUND + _BOXES[:, 4]], axis=1)
    distance = np.where(rays[:, 2] < 0, (GROUND - start[2]) / rays[:, 2], np.inf)
    place = start + rays * np.where(np.isinf(distance), 0, distance)[:, None]
    sky = np.clip(rays[:, 2:] / np.linalg.norm(rays, axis=1, keepdims=True) * 2, 0, 1)
    colour = np.where(
        np.isinf(distance)[:, None], (205, 220, 235) - sky * (90, 60, 10), _paint(place)
    )
    for box_low, box_high, paint in zip(low, high, _BOXES[:, 5:], strict=True):
        ends = np.stack([(box_low - start) / rays, (box_high - start) / rays])
        faces = ends.min(0)
        enters, leaves = faces.max(1), ends.max(0).min(1)
        hit = (enters < leaves) & (enters > 0) & (enters < distance)
        distance[hit] = enters[hit]
        place = start + rays[hit] * enters[hit, None]
        face = faces[hit].argmax(1)
        # Courses and joints every metre, or a flat wall would show nothing to learn from.
        joints = place % 1.0 < 0.12
        joints[np.arange(len(face)), face] = False
        light = np.array((0.75, 0.6, 1.0))[face] * np.where(joints.any(1), 0.85, 1.0)
        colour[hit] = paint * light[:, None]
    return np.where(np.isinf(distance), 0, distance), colour


def _paint(place: np.ndarray) -> np.ndarray:
    """The ground's colours (n, 3): a road with a broken middle line, pavements, grass."""
    ahead, side = place[:, 0], np.abs(place[:, 1] - 1.6)
    line = (np.abs(place[:, 1] - 1.6) < 0.1) & (ahead % 6 < 3)
    kinds = [line, side < 4.2, side < 6.5]
    colours = [(230, 230, 225), (98, 98, 102), (150, 148, 142)]
    grass = np.where(((ahead // 2 + side // 2) % 2 > 0)[:, None], (92, 120, 66), (84, 112, 60))
    return np.select([kind[:, None] for kind in kinds], [np.array(c) for c in colours], grass)


def _grain(place: np.ndarray) -> np.ndarray:
    """How light the surface is at each place (n, 3), about -1 to 1: waves of 0.3 to 4 metres."""
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(24, 3))
    ways *= (2 * np.pi / np.geomspace(0.3, 4, 24) / np.linalg.norm(ways, axis=1))[:, None]
    return np.sin(place @ ways.T + rng.uniform(0, 2 * np.pi, 24)).sum(1) / 24**0.5


def _calibrate() -> dict[str, str]:
    """The calibration files by name: a scanner above and behind a camera that looks slightly down.

    R_rect_00 and the tilt are small turns, so that leaving one out or transposing it shows.
    """
    height, width = SIZE
    intrinsics = np.array([(FOCAL, 0, 154.0), (0, FOCAL, 42.0), (0, 0, 1)])
    axes = np.array([(0, -1, 0), (0, 0, -1), (1, 0, 0)])
    entries = {"S_rect_02": (width, height), "S_rect_03": (width, height)}
    entries["R_rect_00"] = _turn((0.004, 0.01, -0.006))
    # Metres to the left of the first camera.
    for name, shift in (("02", 0.06), ("03", 0.06 - BASELINE)):
        entries[f"P_rect_{name}"] = intrinsics @ np.hstack([np.eye(3), [[shift], [0], [0]]])
    velo = {"R": _turn((0.012, 0, 0.003)) @ axes, "T": (0.01, -0.08, -0.25)}
    texts = {"calib_cam_to_cam.txt": entries, "calib_velo_to_cam.txt": velo}
    return {
        name: "made up, see depthlib/kitti/made_up.py\n"
        + "".join(
            f"{key}: {' '.join(f'{number:.6e}' for number in np.ravel(value))}\n"
            for key, value in table.items()
        )
        for name, table in texts.items()
    }


def _turn(angles: tuple[float, float, float]) -> np.ndarray:
    """A rotation matrix (3, 3) of a small turn, axis times radians."""
    return cv2.Rodrigues(np.array(angles))[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m rendering.kitti_drive", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where to write")
    parser.add_argument("--pairs", type=int, help="of two cameras' photos, in place of scans")
    words = parser.parse_args()
    if words.pairs:
        write_pairs(words.folder, words.pairs)
    else:
        write_synthetic(words.folder)
