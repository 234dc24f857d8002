"""Photos and depth maps between disk and NumPy: decode, check, resize, crop, encode."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.decoding import HALF, decode
from depthlib.data.specs import DatasetSpec
from depthlib.files import check_suffix, write_bytes


def read_rgb(path: Path | str, max_pixels: int | None = None) -> np.ndarray:
    """A photo as uint8 RGB (height, width, 3), turned as its EXIF says.

    `max_pixels`: how many it may have; None: `decoding.MAX_PIXELS`. Errors: FileNotFoundError;
    OSError for what is no regular file; ValueError for a file that is empty, cut off, too large or
    no image.
    """
    return decode(Path(path), cv2.IMREAD_COLOR_RGB, max_pixels)[0]


def check_rgb(rgb: np.ndarray) -> None:
    """Accepts a photo as `read_rgb` gives it; else ValueError."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(
            "A photo must be uint8 RGB (height, width, 3). Received: "
            f"{rgb.dtype} {rgb.shape}. Use `images.read_rgb`."
        )


def read_depth(path: Path | str, spec: DatasetSpec, max_pixels: int | None = None) -> np.ndarray:
    """A depth map as float32 (height, width), metres or (relative) 0..1, 0 where invalid.

    Errors: those of `read_rgb`; ValueError for a map of another bit depth or channel count than
    `spec` says, constant, without a valid pixel, or whose median or coverage shows that it is
    encoded in another way.
    """
    path = Path(path)
    counts, _ = decode(path, cv2.IMREAD_UNCHANGED, max_pixels)
    if counts.ndim != 2 or counts.dtype != spec.depth_dtype:
        channels = 1 if counts.ndim == 2 else counts.shape[2]
        raise ValueError(
            f"A depth map of `{spec.name}` must have one channel of {spec.depth_dtype}. Received: "
            f"{channels} of {counts.dtype} in {path}. Choose the spec that fits the files, or "
            "write the map again without conversion."
        )
    _check_counts(counts, path, spec)
    return cv2.LUT(counts, _depth_of_counts(spec))


def read_pair(
    rgb_path: Path | str,
    depth_path: Path | str,
    spec: DatasetSpec,
    least: tuple[float, float] | None = None,
    max_pixels: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A photo (height, width, 3) and its depth map (height, width); see `read_rgb`, `read_depth`.

    Given `least` (height, width), the photo comes at half its size where that is no smaller: a
    JPEG that will be shrunk anyway is so decoded in half the time.
    Errors: theirs, and ValueError where the sizes differ.
    """
    depth = read_depth(depth_path, spec, max_pixels)
    size, mode = depth.shape, cv2.IMREAD_COLOR_RGB
    if least and all(n % 2 == 0 and n / 2 >= few for n, few in zip(size, least, strict=True)):
        size, mode = (size[0] // 2, size[1] // 2), HALF
    rgb, sides = decode(Path(rgb_path), mode, max_pixels)
    # Halving rounds up, so a photo that lacks a row passes for whole but by its sides.
    if rgb.shape[:2] != size or sorted(sides) != sorted(depth.shape):
        height, width = read_rgb(rgb_path, max_pixels).shape[:2]
        raise ValueError(
            "A photo and its depth map must have one size. Received: "
            f"{height}x{width} in {rgb_path} and "
            f"{depth.shape[0]}x{depth.shape[1]} in {depth_path}. Leave the pair out or repair it."
        )
    return rgb, depth


def resize_rgb(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """A photo at another size: area average when it shrinks, bilinear when it grows."""
    return _resize(rgb, height, width)


def resize_depth(depth: np.ndarray, height: int, width: int, sparse: bool = False) -> np.ndarray:
    """A depth map at another size, float32; no depth is invented.

    Each pixel is the mean of the valid pixels under it, and invalid where less than half of it is
    valid. In a `sparse` map (LiDAR) it is the nearest measurement under it: any one counts, a mean
    over the edge of a car would be a depth that nothing has, and none is ever copied to a second
    pixel.
    """
    if depth.shape == (height, width):
        return depth
    if sparse:
        return _gather_nearest(depth, height, width)
    valid = (depth > 0).astype(np.float32)
    if valid.all():
        return _resize(depth, height, width)
    share = _resize(valid, height, width)
    mean = _resize(depth, height, width) / np.maximum(share, 1e-6)
    return np.where(share > 0.5 - 1e-6, mean, 0).astype(np.float32)


def crop_border(image: np.ndarray, border: tuple[float, float, float, float]) -> np.ndarray:
    """The part of an image inside `border` (top, bottom, left, right as shares of its size)."""
    height, width = image.shape[:2]
    top, bottom, left, right = border
    rows = slice(round(top * height), round(bottom * height))
    return image[rows, round(left * width) : round(right * width)]


def write_rgb(path: Path | str, rgb: np.ndarray, quality: int = 92) -> None:
    """Writes uint8 RGB (height, width, 3) atomically, as JPEG or PNG by the suffix of `path`.

    Errors: ValueError for another suffix.
    """
    check_suffix(path, ".png", ".jpg", ".jpeg")
    options = [] if Path(path).suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    _encode(Path(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)


def write_depth(path: Path | str, depth: np.ndarray, spec: DatasetSpec) -> None:
    """Writes a depth map (height, width) atomically, as PNG in the encoding of `spec`.

    Errors: ValueError for NaN or infinite depth, for depth beyond what the encoding holds, and for
    a suffix other than .png, whose format would not hold the numbers.
    """
    check_suffix(path, ".png")
    limit = np.iinfo(spec.depth_dtype).max
    counts = np.round(depth / spec.scale)
    if not np.isfinite(depth).all() or counts.min() < 0 or counts.max() > limit:
        raise ValueError(
            f"Depth for `{spec.name}` must be finite and from 0 to {limit * spec.scale:g}. "
            f"Received: {np.min(depth)} to {np.max(depth)} for {path}. Set invalid pixels to 0."
        )
    _encode(Path(path), counts.astype(spec.depth_dtype), [cv2.IMWRITE_PNG_COMPRESSION, 9])


@cache
def _depth_of_counts(spec: DatasetSpec) -> np.ndarray:
    """The depth of each stored value, float32, 0 where invalid: a table costs less than sums."""
    depth = np.arange(np.iinfo(spec.depth_dtype).max + 1, dtype=np.float32) * np.float32(spec.scale)
    depth[(depth < spec.min_depth) | (depth > spec.max_depth * (1 + 1e-6))] = 0
    depth[[int(count) for count in spec.invalid_counts]] = 0
    return depth


def _check_counts(counts: np.ndarray, path: Path, spec: DatasetSpec) -> None:
    depth = _depth_of_counts(spec)
    histogram = cv2.calcHist([counts], [0], None, [depth.size], [0, depth.size]).ravel()
    if np.count_nonzero(histogram) == 1:
        raise ValueError(
            f"A depth map must vary. Received: {int(counts.flat[0])} everywhere in {path}. "
            "Leave the pair out."
        )
    ranks = np.cumsum(histogram * (depth > 0), dtype=np.float64)  # of the valid pixels, by depth
    low, high = spec.coverage_range
    coverage = ranks[-1] / counts.size
    if not low <= coverage <= high:
        raise ValueError(
            f"A depth map of `{spec.name}` must be valid in {low:.2%} to {high:.0%} of its pixels. "
            f"Received: {coverage:.2%} in {path}. Choose the spec that fits the files."
        )
    median = depth[np.searchsorted(ranks, ranks[-1] / 2)]
    low, high = spec.median_range
    if not low <= median <= high:
        raise ValueError(
            f"The median depth of a map of `{spec.name}` must be {low:g} to {high:g} ({spec.unit})."
            f" Received: {median:.3f} in {path}. Choose the spec that fits the files' encoding."
        )


def write_grey(path: Path | str, grey: np.ndarray) -> None:
    """Writes an 8-bit map, uint8 (height, width), atomically as PNG.

    Errors: ValueError for another suffix.
    """
    check_suffix(path, ".png")
    _encode(Path(path), grey, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=mode)


def _gather_nearest(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """Puts each measurement into the pixel that its centre falls on; the nearest one stays."""
    rows, columns = depth.shape
    row, column = np.nonzero(depth)
    pixel = (2 * row + 1) * height // (2 * rows), (2 * column + 1) * width // (2 * columns)
    nearest = np.full((height, width), np.inf, np.float32)
    np.minimum.at(nearest, pixel, depth[row, column])
    return np.where(np.isinf(nearest), np.float32(0), nearest)


def _encode(path: Path, image: np.ndarray, options: list[int]) -> None:
    done, data = cv2.imencode(path.suffix, image, options)
    if not done:
        raise ValueError(f"An image must be one that OpenCV writes. Received: {path}.")
    write_bytes(path, data.tobytes())
