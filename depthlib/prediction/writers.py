"""Depth of one photo in files that others can use: numbers, pictures, points, surfaces."""

import io
import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.images import read_text, write_rgb
from depthlib.data.intrinsics import Intrinsics
from depthlib.data.specs import DENSE_M256, INDOOR_MILLIMETRE
from depthlib.files import check_suffix, write_bytes
from depthlib.prediction.cloud import (
    check_depth,
    find_surface,
    point_cloud,
    write_glb,
    write_ply,
)

# Near is red, far is blue; uint8 RGB (256, 3), near to far. It is matplotlib's turbo_r, which
# `plotting` has, without the second that importing matplotlib takes.
_TURBO = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_TURBO)
DEPTH_COLOURS = np.ascontiguousarray(_TURBO.reshape(256, 3)[::-1, ::-1])  # from BGR
GREY = 153  # what has no depth, as in `plotting`
LARGEST_COUNT = np.iinfo(np.uint16).max
# How the name of a file of each format ends, behind its photo's.
ENDINGS = {
    "npy": "_depth{unit}.npy",
    "png16": "_depth_{scale}.png",
    "colour": "_depth_colour.jpg",
    "ply": ".ply",
    "glb": ".glb",
    "confidence": "_confidence.png",
}
_METRES = {"mm": INDOOR_MILLIMETRE.scale, "m256": DENSE_M256.scale}  # of a count, by scale
SCALE_NAMES = (*_METRES, "relative")  # how the name of a PNG of depth ends
_SCALE_TEXTS = {"metre": "depth_scale_metres", "relative": "depth_scale_relative"}  # by unit
LONG_RANGE = 20.0  # metres; networks that see farther are of roads, where colours are logarithmic
TICKS = 7  # numbers at a colour bar, at most
ROWS = 240  # a lower photo's picture is enlarged, so that the bar beside it can be read
BLOCK = 512  # rows of a map that are converted at once
LONGEST = 60_000  # pixels of a picture's side, beside its bar: a JPEG's have 65,535 at most
# A tenth of the time that a smaller file takes, which is a tenth smaller.
_FAST = [
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP,
]  # fmt: skip
_HEADER = 33  # bytes of a PNG before its second chunk


@dataclass(frozen=True, eq=False)
class DepthResult:
    """What is known of one photo.

    photo: uint8 RGB (height, width, 3). depth_m: float32 (height, width) in `unit`, 0 where
    unknown. far: from this depth on it is too far to tell how far. intrinsics: of the camera, in
    the photo's pixels.
    max_depth: the largest depth that the network gives for any photo of the folder, so that all its
    files have one encoding; None: the largest of this photo. unit: "metre", or "relative" for depth
    up to a scale. sky: bool (height, width), or None. confidence: float32 (height, width) from 0,
    a guess, to 1, certain; or None. source: the photo's file, which is never written over.
    Errors: ValueError for what does not fit this.
    """

    photo: np.ndarray
    depth_m: np.ndarray
    far: float
    intrinsics: Intrinsics
    max_depth: float | None = None
    unit: str = "metre"
    sky: np.ndarray | None = None
    confidence: np.ndarray | None = None
    source: Path | str | None = None

    def __post_init__(self) -> None:
        check_depth(self.depth_m, self.photo)
        size = self.depth_m.shape
        if self.unit not in ("metre", "relative"):
            raise ValueError(f"`unit` must be metre or relative. Received: unit={self.unit!r}.")
        if not self.far > 0:
            raise ValueError(f"`far` must be above 0. Received: far={self.far}. Use math.inf.")
        if self.max_depth is not None and not 0 < self.max_depth < np.inf:
            raise ValueError(
                f"`max_depth` must be above 0 and finite. Received: max_depth={self.max_depth}. "
                "Use that of the predictor."
            )
        sky, confidence = self.sky, self.confidence
        if sky is not None and (sky.shape != size or sky.dtype != bool):
            raise ValueError(
                f"`sky` must be bool of the photo's size, {size}. Received: {sky.dtype} "
                f"{sky.shape}. Use None where it is not known."
            )
        if confidence is not None and not (
            confidence.shape == size and (confidence >= 0).all() and (confidence <= 1).all()
        ):
            raise ValueError(
                f"`confidence` must be 0 to 1 and of the photo's size, {size}. Received: "
                f"{confidence.min()} to {confidence.max()}, {confidence.shape}. Use None where it "
                "is not known."
            )

    def leave_out_sky(self) -> np.ndarray:
        """Depth float32 (height, width), 0 where unknown and in the sky: for files of numbers."""
        depth = self.depth_m.astype(np.float32)
        if self.sky is not None:
            depth[self.sky] = 0
        return depth

    def leave_out_far(self) -> np.ndarray:
        """The same, and 0 from `far` on: for pictures, points and surfaces."""
        depth = self.leave_out_sky()
        depth[depth >= self.far] = 0
        return depth


def name_file(kind: str, stem: str, result: DepthResult) -> str:
    """The name of a file of the format `kind`, a key of `WRITERS`, for the photo `stem`.

    A PNG of depth says its scale there: photo_depth_mm.png, or photo_depth_m256.png. Relative depth
    is photo_depth_relative.png or .npy.
    Errors: ValueError for an unknown `kind`.
    """
    if kind not in ENDINGS:
        raise ValueError(f"`kind` must be one of {', '.join(ENDINGS)}. Received: kind={kind!r}.")
    return stem + _fill(ENDINGS[kind], _choose_scale(result)[0])


def list_names(stem: str, kinds: Iterable[str]) -> list[str]:
    """All names that files of the photo `stem` may have in formats `kinds`, in any scale."""
    return list({stem + _fill(ENDINGS[kind], scale) for kind in kinds for scale in SCALE_NAMES})


def _fill(ending: str, scale: str) -> str:
    return ending.format(scale=scale, unit="_relative" * (scale == "relative"))


def is_ours(path: Path) -> bool:
    """Whether a file with the name of an output may be one: a PNG of depth says its name's scale.

    Other programs, which edit or convert one, write none of our texts, or leave that of another
    scale. Of other formats nothing tells: True.
    """
    scale = path.stem.rpartition("_depth_")[2]
    if path.suffix != ".png" or scale not in SCALE_NAMES:
        return True
    if scale in _METRES:
        return read_text(path, _SCALE_TEXTS["metre"]) == repr(_METRES[scale])
    return bool(read_text(path, _SCALE_TEXTS["relative"]))


def write_npy(path: Path | str, result: DepthResult) -> Path:
    """Writes depth as NumPy's float32 (height, width), as the network gave it; gives `path`.

    In metres (relative: up to a scale); 0 where it is unknown and in the sky.
    Errors: ValueError for another suffix than .npy, or the photo's own file.
    """
    _check_target(path, result, ".npy")
    buffer = io.BytesIO()
    np.save(buffer, result.leave_out_sky())
    write_bytes(path, buffer.getbuffer())  # a large photo's map has hundreds of megabytes
    return Path(path)


def write_png16(path: Path | str, result: DepthResult) -> Path:
    """Writes depth as a 16-bit grey PNG of counts, 0 where unknown and in the sky; gives `path`.

    A count is a millimetre where `max_depth` is at most 65.535 m, else 1/256 m; relative, it is
    1/65535 of `max_depth`. A name that ends in _mm, _m256 or _relative must be the right one. The
    file's texts say `unit`, and `depth_scale_metres` (or `depth_scale_relative`): depth is the
    count times it. What is deeper than 65535 counts is 0, with a warning: a wrong number would look
    like a right one. `specs.INDOOR_MILLIMETRE` reads the first to 10 m, `specs.DENSE_M256` the
    second.
    Errors: ValueError for another suffix than .png, a wrong name, or the photo's own file.
    """
    _check_target(path, result, ".png")
    name, scale = _choose_scale(result)
    said = Path(path).stem.rpartition("_")[2]
    if said in SCALE_NAMES and said != name:
        raise ValueError(
            f"The name of this depth map must end in _{name}, its scale, or say none. "
            f"Received: {path}. Use {name_file('png16', 'photo', result)}, say."
        )
    depth = result.leave_out_sky()

    def count(depth: np.ndarray) -> np.ndarray:
        counts = np.maximum(np.rint(depth / np.float64(scale)), depth > 0)
        return np.where(counts > LARGEST_COUNT, 0, counts)

    counts = _convert(depth, count, np.uint16)
    deep = np.count_nonzero(depth) - np.count_nonzero(counts)
    if deep:
        warnings.warn(
            f"{deep} pixels deeper than {LARGEST_COUNT * scale:g} "
            f"({result.unit}), the most that {path} holds, are 0 there. An .npy file holds them.",
            stacklevel=2,
        )
    texts = {_SCALE_TEXTS[result.unit]: repr(scale), "unit": result.unit}
    _write_png(path, counts, texts)
    return Path(path)


def write_colour(path: Path | str, result: DepthResult) -> Path:
    """Writes a picture of depth with a colour bar, as PNG or JPEG; gives `path`.

    Red is near, blue is far, grey is sky, unknown or too far to tell. The colours span 98 % of the
    photo's depth; for networks that see farther than 20 m they are logarithmic, since a road's
    last metres would have them all.
    Errors: ValueError for another suffix than .png, .jpg or .jpeg, the photo's own file, or a map
    that is unknown everywhere.
    """
    _check_target(path, result, ".png", ".jpg", ".jpeg")
    depth = result.leave_out_far()
    if not depth.any():
        raise ValueError(
            "A picture of depth must show some. Received: depth that is unknown, sky or too far "
            f"everywhere, for {path}. Leave the photo out."
        )
    sees_far = (result.max_depth or float(depth.max())) > LONG_RANGE
    picture = draw_depth(depth, result.unit, sees_far)
    if Path(path).suffix.lower() == ".png":
        _write_png(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), {})
    else:
        write_rgb(path, picture)
    return Path(path)


def write_cloud(path: Path | str, result: DepthResult) -> Path:
    """Writes points with the photo's colours as PLY: `cloud.point_cloud`, `cloud.write_ply`.

    Sky and what is too far to tell are left out. Errors: theirs, and ValueError for the photo's own
    file.
    """
    _check_target(path, result, ".ply")
    points, colours = point_cloud(result.leave_out_far(), result.photo, result.intrinsics)
    return write_ply(path, points, colours, result.unit)


def write_surface(path: Path | str, result: DepthResult) -> Path:
    """Writes a surface with the photo's colours as GLB: `cloud.find_surface`, `cloud.write_glb`.

    Sky and what is too far to tell are left out. Errors: theirs, and ValueError for the photo's own
    file.
    """
    _check_target(path, result, ".glb")
    return write_glb(path, find_surface(result.leave_out_far(), result.photo, result.intrinsics))


def write_confidence(path: Path | str, result: DepthResult) -> Path:
    """Writes how far depth is to be trusted as an 8-bit grey PNG; gives `path`.

    255 is certain and 0 is a guess: 255 times the confidence of the result, which says what it is
    measured by.
    Errors: ValueError for another suffix than .png, the photo's own file, or no confidence.
    """
    _check_target(path, result, ".png")
    if result.confidence is None:
        raise ValueError(
            f"A confidence map must be of a result that has one. Received: none for {path}. "
            "Leave this format out, or predict with confidence."
        )
    _write_png(path, np.rint(255 * result.confidence).astype(np.uint8), {})
    return Path(path)


WRITERS: dict[str, Callable[[Path | str, DepthResult], Path]] = {
    "npy": write_npy,
    "png16": write_png16,
    "colour": write_colour,
    "ply": write_cloud,
    "glb": write_surface,
    "confidence": write_confidence,
}


def draw_depth(depth: np.ndarray, unit: str, logarithmic: bool) -> np.ndarray:
    """A map in colours with a colour bar at its right, uint8 RGB.

    depth: float32 (height, width) in `unit`, 0 where it is grey, above 0 somewhere. The bar says
    the nearest and the farthest depth of the colours. A map of few rows is enlarged where it is not
    too wide, else it has white below it; of one with a side beyond `LONGEST` every second row and
    column is drawn, or every third, and so on.
    """
    known = depth > 0
    every = 1 + depth.size // 250_000  # pixel for the limits, which a part of them tells as well
    low, high = map(float, np.percentile(depth[known][::every], [1, 99]))  # depth stays float32
    if not low < high:
        low, high = 0.9 * low, 1.1 * high

    def place(values: np.ndarray) -> np.ndarray:
        """Where depth stands among the colours, from 0 to 1."""
        if logarithmic:
            return np.log(values / low) / math.log(high / low)
        return (values - low) / (high - low)

    step = -(-max(depth.shape) // LONGEST)
    depth, known = depth[::step, ::step], known[::step, ::step]
    shades = _convert(
        depth, lambda part: np.rint(255 * place(np.where(part > 0, part, low)).clip(0, 1)), np.uint8
    )
    picture = cv2.applyColorMap(shades, DEPTH_COLOURS[:, np.newaxis])
    picture[~known] = GREY
    height, width = depth.shape
    times = min(-(-ROWS // height), LONGEST // width)
    if times > 1:
        picture = picture.repeat(times, 0).repeat(times, 1)
    if len(picture) < ROWS:
        below = np.full((ROWS - len(picture), *picture.shape[1:]), 255, np.uint8)
        picture = np.vstack([picture, below])
    ticks = _choose_ticks(low, high, logarithmic)
    label = " m" if unit == "metre" else " rel."
    ends = f"near {low:.3g}{label}", f"far {high:.3g}{label}"
    bar = _draw_bar(
        picture.shape[:2], ends, dict(zip(ticks, place(ticks), strict=True)), bool(known.all())
    )
    return np.hstack([picture, bar])


def _draw_bar(
    beside: tuple[int, int], ends: tuple[str, str], ticks: dict[float, float], whole: bool
) -> np.ndarray:
    """A colour bar, uint8 RGB, with far above and numbers at their places from 0 to 1.

    beside: rows and columns of the picture: beside a narrow one the bar has as many rows, and stays
    narrow too. `whole`: whether all is in colours, so that grey needs no word.
    """
    rows, columns = beside
    scale = max(1.0, min(rows, 2 * columns) / 480)
    top, bottom = 28, rows / scale - (28 if whole else 52)
    bar = np.full((rows, round(116 * scale), 3), 255, np.uint8)

    def fill(row: float, end: float, colours: np.ndarray) -> None:
        bar[round(row * scale) : round(end * scale), round(8 * scale) : round(26 * scale)] = colours

    def write(text: str, column: float, row: float) -> None:
        place = round(column * scale), round(row * scale)
        width = max(1, round(1.2 * scale))
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(bar, text, place, font, 0.5 * scale, (0, 0, 0), width, cv2.LINE_AA)

    steps = np.linspace(255, 0, round(bottom * scale) - round(top * scale)).round().astype(np.uint8)
    fill(top, bottom, DEPTH_COLOURS[steps][:, np.newaxis])
    write(ends[1], 8, top - 10)
    write(ends[0], 8, bottom + 18)
    for tick, share in ticks.items():
        row = bottom - share * (bottom - top)
        bar[round(row * scale), round(26 * scale) : round(32 * scale)] = 0
        write(f"{tick:g}", 36, row + 5)
    if not whole:
        fill(bottom + 28, bottom + 42, np.full(3, GREY, np.uint8))
        write("no depth", 32, bottom + 40)
    return bar


def _choose_ticks(low: float, high: float, logarithmic: bool) -> np.ndarray:
    """Round numbers from `low` to `high`, at most `TICKS`; even steps where others are too few."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)) - 2, np.log10(high) + 1)
    round_ones = np.outer(powers, [1, 2, 5]).ravel()
    ticks = round_ones[(low <= round_ones) & (round_ones <= high)]
    if not logarithmic or len(ticks) < 2:
        step = round_ones[np.searchsorted(round_ones, (high - low) / (TICKS - 1))]
        ticks = step * np.arange(np.ceil(low / step), high / step + 1)
        ticks = ticks[(low <= ticks) & (ticks <= high)]
    return ticks[:: -(-len(ticks) // TICKS) or 1]


def _choose_scale(result: DepthResult) -> tuple[str, float]:
    """How a 16-bit PNG of this result is named, and the depth of one count."""
    largest = result.max_depth or float(result.depth_m.max()) or 1.0
    if result.unit == "relative":
        return "relative", largest / LARGEST_COUNT
    name = "mm" if largest / _METRES["mm"] < LARGEST_COUNT + 0.5 else "m256"  # infinity is not
    return name, _METRES[name]


def _check_target(path: Path | str, result: DepthResult, *suffixes: str) -> None:
    check_suffix(path, *suffixes)
    source = result.source and Path(result.source)
    if source and source.exists() and Path(path).exists() and source.samefile(path):
        raise ValueError(
            f"A file must not be written over its source. Received: {path}, the photo itself. "
            "Use another name or folder."
        )


def _convert(
    depth: np.ndarray, make: Callable[[np.ndarray], np.ndarray], dtype: type[np.generic]
) -> np.ndarray:
    """What `make` gives for a map, some rows at a time: all of a large photo take a gigabyte."""
    made = np.empty(depth.shape, dtype)
    for top in range(0, len(depth), BLOCK):
        made[top : top + BLOCK] = make(depth[top : top + BLOCK])
    return made


def _write_png(path: Path | str, image: np.ndarray, texts: dict[str, str]) -> None:
    """Writes an image, grey or BGR, with its texts, by key, atomically."""
    _, encoded = cv2.imencode(".png", image, _FAST)
    data = encoded.tobytes()
    chunks = [
        _make_chunk(b"tEXt", f"{key}\0{text}".encode("latin-1")) for key, text in texts.items()
    ]
    write_bytes(path, data[:_HEADER] + b"".join(chunks) + data[_HEADER:])


def _make_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file (ISO/IEC 15948, section 5.3)."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
