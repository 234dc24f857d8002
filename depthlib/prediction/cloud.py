"""Depth as points and as a surface in space, in files that other programs open."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from depthlib.data.images import check_rgb
from depthlib.data.intrinsics import Intrinsics
from depthlib.files import check_suffix, write_bytes

JUMP = 0.08  # of the nearer depth: what is farther apart than this is two things, not one surface
MAX_POINTS = 1_500_000  # a PLY of 23 MB, a GLB of some 60 MB
BLUR = 1 / 80  # of the picture's longer side: over so much a network blurs the edges of things
INSTALL = "pip install -e .[cloud]"


class Surface(NamedTuple):
    """Triangles in space, as `find_surface` gives them.

    points: float32 (n, 3), metres, in OpenCV's axes: x right, y down, z forward.
    colours: uint8 RGB (n, 3). faces: int32 (m, 3), three points each, counter-clockwise as the
    camera sees them.
    """

    points: np.ndarray
    colours: np.ndarray
    faces: np.ndarray


def point_cloud(
    depth_m: np.ndarray,
    rgb: np.ndarray,
    intrinsics: Intrinsics,
    jump: float = JUMP,
    max_points: int = MAX_POINTS,
) -> tuple[np.ndarray, np.ndarray]:
    """Points float32 (n, 3) in metres and their colours uint8 RGB (n, 3), row by row.

    depth_m: float (height, width), metres along the optical axis, 0 where unknown.
    rgb: the photo, uint8 (height, width, 3). intrinsics: in its pixels.
    The axes are OpenCV's: x right, y down, z forward. Pixels of depth 0 are left out, and so are
    those that hang in the air between something near and something far; `jump` is explained at
    `find_surface`. Of a photo of more than `max_points` pixels every second row and column is
    taken, or every third, and so on.
    Errors: ValueError for arrays that do not fit, or a number that is not above 0.
    """
    points, colours, _ = find_surface(depth_m, rgb, intrinsics, jump, max_points)
    return points, colours


def find_surface(
    depth_m: np.ndarray,
    rgb: np.ndarray,
    intrinsics: Intrinsics,
    jump: float = JUMP,
    max_points: int = MAX_POINTS,
) -> Surface:
    """The points of `point_cloud`, with two triangles for each four pixels; arguments as there.

    There is no triangle where depth is unknown, nor between near and far: where the depth of
    neighbours differs by more than the share `jump` of the nearer one, beyond the slope on either
    side. A floor that runs away from the camera has one slope, however steep, and stays whole.
    """
    _check(depth_m, rgb, intrinsics, jump, max_points)
    height, width = depth_m.shape
    step = next(n for n in count(1) if -(-height // n) * -(-width // n) <= max_points)
    z = np.ascontiguousarray(depth_m[::step, ::step], np.float32)
    x = (np.arange(0, width, step) - intrinsics.cx) / intrinsics.fx * z
    y = (np.arange(0, height, step) - intrinsics.cy)[:, np.newaxis] / intrinsics.fy * z
    # What is flat in space is flat in inverse depth too: its slope is the same at every pixel.
    inverse = np.divide(1, z, out=np.zeros_like(z), where=z > 0)
    spans = [2**n for n in range(round(np.log2(max(1, BLUR * max(z.shape)))) + 1)]
    across, down = _find_jumps(inverse, jump, spans), _find_jumps(inverse.T, jump, spans).T
    kept = (z > 0) & ~_hangs(across) & ~_hangs(down.T).T
    number = np.cumsum(kept).reshape(kept.shape) - 1
    upper_left, upper_right = number[:-1, :-1], number[:-1, 1:]
    lower_left, lower_right = number[1:, :-1], number[1:, 1:]
    joined = (across == 0) & kept[:, :-1] & kept[:, 1:], (down == 0) & kept[:-1] & kept[1:]
    upper = joined[0][:-1] & joined[1][:, :-1]  # the triangles with a side on top and at the left
    lower = joined[0][1:] & joined[1][:, 1:]
    faces = [
        np.stack([upper_left, lower_left, upper_right], -1)[upper],
        np.stack([upper_right, lower_left, lower_right], -1)[lower],
    ]
    points = np.stack([x, y, z], -1)[kept].astype(np.float32)
    return Surface(points, rgb[::step, ::step][kept], np.concatenate(faces).astype(np.int32))


def write_ply(
    path: Path | str, points: np.ndarray, colours: np.ndarray, unit: str = "metre"
) -> Path:
    """Writes points as binary little-endian PLY, atomically, in OpenCV's axes; gives `path`.

    points: float32 (n, 3), in `unit`. colours: uint8 RGB (n, 3).
    Errors: ValueError for another suffix than .ply, or for no points.
    Source: Turk, The PLY Polygon File Format, 1994.
    """
    check_suffix(path, ".ply")
    if not len(points):
        raise ValueError(
            f"A point cloud must have a point. Received: none for {path}. Give depth that is known "
            "somewhere, or a larger `jump`."
        )
    vertices = np.empty(len(points), [("place", "<f4", 3), ("colour", "u1", 3)])
    vertices["place"], vertices["colour"] = points, colours
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment unit: {unit}; x right, y down, z forward",
        f"element vertex {len(points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
        "end_header\n",
    ]
    write_bytes(path, "\n".join(header).encode("ascii") + vertices.tobytes())
    return Path(path)


def write_glb(path: Path | str, surface: Surface) -> Path:
    """Writes a surface as binary glTF, atomically; gives `path`.

    glTF's axes are x right, y up, z towards the viewer, so y and z change their signs. Its colours
    are linear in light, so the photo's are converted, and they are shown as they are: the photo
    has its light already.
    Errors: ModuleNotFoundError without the extra `cloud`; ValueError for another suffix than .glb,
    or a surface without faces.
    Source: the glTF 2.0 specification, 3.4 and 3.9.2; KHR_materials_unlit.
    """
    check_suffix(path, ".glb")
    try:
        import trimesh
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Writing .glb needs trimesh, which is not installed. Received: {path}. Use {INSTALL}"
        ) from error
    if not len(surface.faces):
        raise ValueError(
            f"A surface must have a triangle. Received: none for {path}. Write points as .ply, or "
            "give a larger `jump`."
        )
    mesh = trimesh.Trimesh(
        vertices=surface.points * np.array([1, -1, -1], np.float32),
        faces=surface.faces,
        vertex_colors=_make_linear(surface.colours),
        process=False,
    )
    scene = trimesh.Scene(mesh)
    write_bytes(path, trimesh.exchange.gltf.export_glb(scene, tree_postprocessor=_show_unlit))
    return Path(path)


def check_depth(depth_m: np.ndarray, rgb: np.ndarray) -> None:
    """Accepts a photo uint8 (height, width, 3) and its depth map; else ValueError.

    depth_m: float (height, width), finite, 0 where unknown.
    """
    check_rgb(rgb)
    if depth_m.shape != rgb.shape[:2] or depth_m.dtype.kind != "f":
        raise ValueError(
            f"Depth must be float of the photo's size, {rgb.shape[:2]}. Received: "
            f"{depth_m.dtype} {depth_m.shape}. Give the depth of this photo."
        )
    if not (np.isfinite(depth_m).all() and (depth_m >= 0).all()):
        raise ValueError(
            "Depth must be finite and not below 0. Received: "
            f"{depth_m.min()} to {depth_m.max()}. Set unknown pixels to 0."
        )


def _check(
    depth_m: np.ndarray, rgb: np.ndarray, intrinsics: Intrinsics, jump: float, max_points: int
) -> None:
    check_depth(depth_m, rgb)
    numbers = {"fx": intrinsics.fx, "fy": intrinsics.fy, "jump": jump, "max_points": max_points}
    for name, value in numbers.items():
        if not 0 < value < np.inf:
            raise ValueError(f"`{name}` must be above 0 and finite. Received: {name}={value}.")
    for name in ("cx", "cy"):
        if not np.isfinite(value := getattr(intrinsics, name)):
            raise ValueError(f"`{name}` must be finite. Received: {name}={value}.")


def _find_jumps(inverse: np.ndarray, jump: float, spans: Sequence[int]) -> np.ndarray:
    """Where a row goes from one thing to another: int8 (height, width - 1), +1 where to a nearer.

    inverse: 1 / depth, (height, width), 0 where unknown. Over each of the spans, in pixels, the
    rise is compared with those over the spans before and after it. On a surface it lies between the
    two, be it flat, bent or creased; what it exceeds both by is a jump. Where depth is unknown, the
    rise is taken for 0; outside of the picture too, but over longer spans for the same.
    """
    rises = np.diff(inverse)
    nearest = np.minimum(inverse[:, 1:], inverse[:, :-1])
    jumps = np.zeros(rises.shape, bool)
    for span in spans:
        if span >= inverse.shape[1]:
            break
        start, end = inverse[:, :-span], inverse[:, span:]
        known = (start > 0) & (end > 0)
        rise = np.where(known, end - start, 0)
        before, after = _find_sides(rise, span, rise if span > 1 else np.zeros_like(rise))
        excess = np.maximum(rise - np.maximum(before, after), np.minimum(before, after) - rise)
        found = known & (excess > jump * np.minimum(start, end))
        if span > 1:  # a strip amid unknown depth tells no slope
            found &= np.logical_or(*_find_sides(known, span, known))
        # Of the pairs in such a span those are cut that carry their part of the jump.
        starts = np.pad(found, ((0, 0), (0, span - 1))).astype(np.uint8)
        inside = cv2.dilate(starts, np.ones((1, span), np.uint8), anchor=(span - 1, 0))
        jumps |= (inside > 0) & (np.abs(rises) > jump / (2 * span) * nearest)
    return (np.sign(rises) * jumps).astype(np.int8)


def _hangs(jumps: np.ndarray) -> np.ndarray:
    """Pixels amid a jump, bool (height, width): one to them, and from them on the same way."""
    sides = np.pad(jumps, ((0, 0), (1, 1)))
    return sides[:, :-1] * sides[:, 1:] > 0


def _find_sides(
    values: np.ndarray, span: int, outside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The values `span` columns before and after each, and those of `outside` beyond the ends."""
    before = np.hstack([outside[:, :span], values[:, :-span]])
    return before, np.hstack([values[:, span:], outside[:, -span:]])


def _make_linear(colours: np.ndarray) -> np.ndarray:
    """uint8 sRGB as uint8 linear in light. Source: IEC 61966-2-1."""
    share = np.arange(256) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.rint(255 * linear).astype(np.uint8)[colours]


def _show_unlit(tree: dict) -> None:
    """Has a glTF file's one mesh shown in its own colours, whatever the light."""
    tree["extensionsUsed"] = ["KHR_materials_unlit"]
    tree["materials"] = [{"extensions": {"KHR_materials_unlit": {}}}]
    tree["meshes"][0]["primitives"][0]["material"] = 0
