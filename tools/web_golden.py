"""What Python answers to the questions that the page's modules are asked: web/test/golden.json.

`python -m tools.web_golden` writes it again. A test asks Python the same questions again and
compares; the page's own tests ask its modules.
"""

import base64
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from depthlib.data.intrinsics import Intrinsics
from depthlib.data.lenses import find_lens, parse_focal
from depthlib.prediction.cloud import find_surface
from depthlib.prediction.geometry import Layout, View, join, lay_out, split
from depthlib.prediction.known_distance import KnownDistance
from depthlib.prediction.photo import guess_camera
from depthlib.prediction.writers import DEPTH_COLOURS, DepthResult, name_file, write_png16
from depthlib.video.smoothing import TemporalFilter

GOLDEN = Path(__file__).parents[1] / "web" / "test" / "golden.json"

ROOM = {"height": 192, "width": 256, "max_depth": 10.0, "focal": 0.81, "aspect": 4 / 3}
ROAD = {
    "height": 192, "width": 640, "max_depth": 80.0, "focal": 0.58, "aspect": 3.312, "horizon": 0.46,
}  # fmt: skip
TINY_ROOM = {**ROOM, "height": 12, "width": 16}
TINY_ROAD = {**ROAD, "height": 12, "width": 40}
SQUEEZED = {**ROOM, "height": 12, "width": 16, "aspect": 1.6}
BLIND = {"height": 12, "width": 16, "max_depth": 10.0}


def pack(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON holds it."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """What `pack` was given."""
    data = base64.b64decode(packed["data"])
    return np.frombuffer(data, packed["dtype"]).reshape(packed["shape"])


def answer_layout(height: int, width: int, view: dict, focal: float | None) -> dict[str, Any]:
    """How a photo is laid over a network's input."""
    layout = lay_out(height, width, View(**view), focal)
    return {
        "rows": layout.rows,
        "columns": layout.columns,
        "tops": list(layout.tops),
        "lefts": list(layout.lefts),
        "focal": layout.focal,
        "factor": layout.factor,
        "skyFactor": layout.sky_factor,
        "far": layout.far,
    }


def answer_photo(photo: dict, view: dict, focal: float | None, depths: dict) -> dict[str, Any]:
    """What the network sees of a photo, and the photo's depth from the network's."""
    rgb = unpack(photo)
    layout = _lay_out(rgb, view, focal)
    return {
        "canvases": pack(split(rgb, layout)),
        "depth": pack(join(unpack(depths), layout)),
    }


def answer_lens(file: str, name: str) -> dict[str, Any]:
    """The focal length of a photo by its EXIF; and its size, as shown."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(base64.b64decode(file))
        return {"focal": find_lens(path, parse_focal("exif")).focal}


def answer_known(
    depths: dict, height: int, width: int, view: dict, first: list, second: list, metres: float
) -> dict[str, Any]:
    """The scale that a known distance sets."""
    layout = lay_out(height, width, View(**view))
    depth = join(unpack(depths), layout)
    if layout.far:
        depth[depth >= layout.far] = 0
    known = KnownDistance((first[0], first[1]), (second[0], second[1]), metres)
    return {"scale": known.find_scale(depth, guess_camera(layout))}


def answer_surface(depth: dict, rgb: dict, focal: float, step: int) -> dict[str, Any]:
    """Points and triangles, without any between near and far."""
    z = unpack(depth)
    height, width = z.shape
    camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    most = -(-height // step) * -(-width // step)
    surface = find_surface(z, unpack(rgb), camera, max_points=most)
    return {
        "points": pack(surface.points),
        "colours": pack(surface.colours),
        "faces": pack(surface.faces.astype(np.uint16)),
    }


def answer_smoothing(photos: dict, depths: dict) -> dict[str, Any]:
    """Depth of some frames, filtered."""
    smooth = TemporalFilter()
    frames = [smooth(*frame) for frame in zip(unpack(photos), unpack(depths), strict=True)]
    return {"depths": pack(np.stack(frames))}


def answer_png(depth: dict, max_depth: float) -> dict[str, Any]:
    """How a 16-bit PNG is named, and its bytes."""
    z = unpack(depth)
    height, width = z.shape
    rgb = np.zeros((height, width, 3), np.uint8)
    camera = Intrinsics(1, 1, 0, 0, width=width, height=height)
    result = DepthResult(rgb, z, np.inf, camera, max_depth)
    with tempfile.TemporaryDirectory() as folder:
        path = write_png16(Path(folder) / name_file("png16", "photo", result), result)
        return {"name": path.name, "file": base64.b64encode(path.read_bytes()).decode("ascii")}


def answer_colours() -> dict[str, Any]:
    """The colours from near to far."""
    return {"colours": pack(DEPTH_COLOURS)}


ANSWERS: dict[str, Callable[..., dict[str, Any]]] = {
    "layout": answer_layout,
    "photo": answer_photo,
    "lens": answer_lens,
    "known": answer_known,
    "surface": answer_surface,
    "smoothing": answer_smoothing,
    "png": answer_png,
    "colours": answer_colours,
}


def ask_layouts() -> Iterator[dict[str, Any]]:
    """Photos of many shapes, for rooms and roads, by many lenses."""
    sizes = (480, 640), (640, 480), (3000, 4000), (375, 1242), (1000, 1000), (720, 3000), (90, 40)
    for view in (ROOM, ROAD):
        for height, width in sizes:
            for focal in (None, 0.45, 0.72, 1.9):
                yield {"height": height, "width": width, "view": view, "focal": focal}
    yield {"height": 480, "width": 640, "view": BLIND, "focal": None}
    yield {"height": 31, "width": 50, "view": SQUEEZED, "focal": 0.3}


def ask_photos(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Small photos: shrunk, enlarged, mirrored at the edges, cut into tiles, with sky."""
    cases = [
        (30, 40, TINY_ROOM, None), (31, 43, TINY_ROOM, 0.5), (50, 20, TINY_ROOM, 0.9),
        (20, 70, TINY_ROOM, 1.2), (7, 9, TINY_ROOM, None), (24, 32, TINY_ROOM, 4.0),
        (30, 40, TINY_ROAD, None), (16, 61, TINY_ROAD, 0.9), (25, 30, SQUEEZED, None),
        (40, 60, BLIND, None),
    ]  # fmt: skip
    for height, width, view, focal in cases:
        photo = rng.integers(0, 256, (height, width, 3), np.uint8)
        layout = _lay_out(photo, view, focal)
        depths = _draw_depths(rng, view, layout.canvases)
        yield {"photo": pack(photo), "view": view, "focal": focal, "depths": pack(depths)}


def ask_lenses() -> Iterator[dict[str, Any]]:
    """Tiny photos whose EXIF says their lens in many ways, or nonsense."""
    film, focal, plane, unit, zoom, x, y, turned = (
        0xA405, 0x920A, 0xA20E, 0xA210, 0xA404, 0xA002, 0xA003, 0x0112,
    )  # fmt: skip
    cases: list[tuple[tuple[int, int], dict[int, Any], str]] = [
        ((16, 12), {}, "a.jpg"),
        ((16, 12), {film: 26}, "a.jpg"),
        ((16, 12), {film: 26}, "a.png"),
        ((16, 12), {film: 26}, "a.webp"),
        ((16, 12), {film: 26, turned: 6}, "a.jpg"),
        ((16, 12), {film: 26, turned: 6, x: 4000, y: 3000}, "a.jpg"),
        ((16, 12), {film: 26, x: 4000, y: 3000}, "a.jpg"),
        ((12, 12), {film: 26, x: 16, y: 12}, "a.jpg"),
        ((24, 12), {film: 26, x: 16, y: 12}, "a.jpg"),
        ((40, 12), {film: 26}, "a.jpg"),
        ((16, 12), {film: 0}, "a.jpg"),
        ((16, 12), {film: 65535}, "a.jpg"),
        ((16, 12), {film: 1}, "a.jpg"),
        ((16, 12), {focal: 5.0, plane: 60.0, unit: 2}, "a.jpg"),
        ((16, 12), {focal: 5.0, plane: 6.0, unit: 3}, "a.jpg"),
        ((16, 12), {focal: 5.0, plane: 60.0, unit: 2, zoom: 1.5}, "a.jpg"),
        ((16, 12), {focal: 5.0, plane: 60.0, unit: 9}, "a.jpg"),
        ((16, 12), {focal: 5.0}, "a.jpg"),
    ]
    for size, tags, name in cases:
        exif = Image.Exif()
        for tag, value in tags.items():
            (exif if tag == turned else exif.get_ifd(0x8769))[tag] = value
        yield {"file": _encode(size, name, exif=exif), "name": name}
    whole = base64.b64decode(_encode((16, 12), "a.jpg", exif=exif))
    nonsense = whole.replace(b"II*\0", b"II*\xff").replace(b"MM\0*", b"MM\xff*")
    start = whole.index(b"Exif\0\0") + 10
    broken = whole[:start] + b"\xff\xff\xff\xff" + whole[start + 4 :]  # where the tags begin
    for file in (nonsense, broken):
        yield {"file": base64.b64encode(file).decode("ascii"), "name": "a.jpg"}
    panorama = b"<x xmlns:GPano='http://ns.google.com/photos/1.0/panorama/' GPano:a='1'/>"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[film] = 26
    yield {"file": _encode((16, 12), "a.jpg", exif=exif, xmp=panorama), "name": "a.jpg"}


def ask_known(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Distances in small photos, some beside the sky."""
    for view in (TINY_ROOM, TINY_ROAD):
        layout = lay_out(30, 40, View(**view))
        depths = pack(_draw_depths(rng, view, layout.canvases))
        for first, second in (([3, 4], [30, 25]), ([0, 0], [39, 29]), ([10.4, 29], [11, 12.5])):
            yield {
                "depths": depths, "height": 30, "width": 40, "view": view,
                "first": first, "second": second, "metres": 1.5,
            }  # fmt: skip


def ask_surfaces(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """A floor with a box on it, blurred at its edges; holes; a long picture; noise."""
    rows, columns = np.mgrid[:18, :25]
    floor = (1.5 / (0.02 + rows / 60)).astype(np.float32)
    box = np.where((rows > 6) & (rows < 14) & (columns > 7) & (columns < 16), 2.0, floor)
    blurred = box.copy()
    blurred[:, 1:-1] = (box[:, :-2] + box[:, 1:-1] + box[:, 2:]) / 3
    holes = blurred.copy()
    holes[:4] = 0
    holes[rng.random(holes.shape) < 0.1] = 0
    long = np.tile(blurred[9], (3, 8))
    long[:, 150:160] = np.linspace(6, 3, 10)
    noise = rng.uniform(1, 1.3, (9, 11))
    for depth, step in ((floor, 1), (blurred, 1), (blurred, 2), (holes, 1), (long, 1), (noise, 1)):
        rgb = rng.integers(0, 256, (*depth.shape, 3), np.uint8)
        yield {"depth": pack(depth.astype(np.float32)), "rgb": pack(rgb), "focal": 30, "step": step}


def ask_smoothing(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Four frames: a still one with noise, one in which a part moves, and one of another scene."""
    height, width = 26, 40
    photo = rng.integers(0, 220, (height, width, 3), np.uint8)
    moved = photo.copy()
    moved[5:15, 10:25] = photo[5:15, 15:30]
    noisy = (photo + rng.integers(0, 3, photo.shape)).astype(np.uint8)
    other = rng.integers(0, 220, photo.shape, np.uint8)
    depths = rng.uniform(2, 3, (4, height, width)).astype(np.float32)
    yield {"photos": pack(np.stack([photo, noisy, moved, other])), "depths": pack(depths)}


def ask_pngs(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Metres of rooms and of roads, with holes, and one too deep to be held."""
    for max_depth in (10.0, 80.0):
        depth = rng.uniform(0, max_depth, (5, 7)).astype(np.float32)
        depth[0, :3] = 0, 1e-5, max_depth
        yield {"depth": pack(depth), "max_depth": max_depth}


def make_golden() -> dict[str, list[dict[str, Any]]]:
    """All questions, with what Python answers."""
    rng = np.random.default_rng(0)
    questions = {
        "layout": ask_layouts(),
        "photo": ask_photos(rng),
        "lens": ask_lenses(),
        "known": ask_known(rng),
        "surface": ask_surfaces(rng),
        "smoothing": ask_smoothing(rng),
        "png": ask_pngs(rng),
        "colours": iter([{}]),
    }
    return {
        kind: [{"given": given, "expected": ANSWERS[kind](**given)} for given in cases]
        for kind, cases in questions.items()
    }


def _lay_out(photo: np.ndarray, view: dict, focal: float | None) -> Layout:
    return lay_out(photo.shape[0], photo.shape[1], View(**view), focal)


def _draw_depths(rng: np.random.Generator, view: dict, canvases: int) -> np.ndarray:
    size = canvases, view["height"], view["width"]
    return (view["max_depth"] * rng.uniform(0.05, 1, size)).astype(np.float32)


def _encode(size: tuple[int, int], name: str, **options: Any) -> str:
    """A grey picture, of (width, height), as a file in base64."""
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG"}.get(name.rpartition(".")[2], name.rpartition(".")[2].upper())
    Image.new("RGB", size, (90, 90, 90)).save(buffer, kind, quality=20, **options)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(make_golden()) + "\n", encoding="utf-8")
    print(GOLDEN)
