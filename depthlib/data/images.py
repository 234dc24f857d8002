"""Photos and depth maps between disk and NumPy: decode, check, resize, crop, encode."""

import io
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from depthlib.data import decoding
from depthlib.data.arrays import is_array, read_array
from depthlib.data.decoding import HALF, Decoded, decode, turn
from depthlib.data.specs import DatasetSpec
from depthlib.files import check_suffix, write_bytes


def read_rgb(path: Path | str, max_pixels: int | None = None) -> np.ndarray:
    """A photo as uint8 RGB (height, width, 3), turned as its EXIF says.

    It may lie in a file of arrays, see `arrays`. `max_pixels`: how many it may have; None:
    `decoding.MAX_PIXELS`. Errors: FileNotFoundError; OSError for what is no regular file;
    ValueError for a file that is empty, cut off, too large or no image.
    """
    return _read_photo(Path(path), cv2.IMREAD_COLOR_RGB, max_pixels).image


def read_size(path: Path | str) -> tuple[int, int]:
    """The height and width of a photo or map by its header alone, turned as its EXIF says.

    One in a file of arrays is read. Errors: those of `read_rgb` for what its header shows.
    """
    return _read_header(Path(path))[0]


def _read_header(path: Path) -> tuple[tuple[int, int], int | None]:
    """What `read_size` gives, and EXIF's number for how it lies; None in a file of arrays."""
    if is_array(path):
        height, width = read_array(path, None, decoding.MAX_PIXELS).shape[:2]
        return (height, width), None
    return decoding.read_header(path)


def check_rgb(rgb: np.ndarray) -> None:
    """Accepts a photo as `read_rgb` gives it; else ValueError."""
    if not isinstance(rgb, np.ndarray):
        raise ValueError(
            "A photo must be an array, uint8 RGB (height, width, 3). Received: "
            f"{type(rgb).__name__}. Use `images.read_rgb` for a file, `np.asarray` for Pillow's."
        )
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(
            "A photo must be uint8 RGB (height, width, 3). Received: "
            f"{rgb.dtype} {rgb.shape}. Use `images.read_rgb`."
        )


def read_depth(path: Path | str, spec: DatasetSpec, max_pixels: int | None = None) -> np.ndarray:
    """A depth map as float32 (height, width), metres or (relative) 0..1, 0 where invalid.

    Errors: those of `read_rgb` and `arrays.read_array`; ValueError for a map of other numbers or
    another channel count than `spec` says, constant, without a valid pixel, or whose median,
    coverage or share beyond the range shows that it is encoded in another way.
    """
    return _read_depth(Path(path), spec, max_pixels)[0]


def read_stored(
    path: Path | str, key: str | None = None, max_pixels: int | None = None
) -> np.ndarray:
    """A map as its file stores it, of any numbers, (height, width); turned as its EXIF says.

    A map that was saved as grey colours, all channels alike, has one of them. `key` as in
    `DatasetSpec`. Errors: those of `read_rgb` and `arrays.read_array`.
    """
    return _read_stored(Path(path), key, max_pixels).image


def read_pair(
    rgb_path: Path | str,
    depth_path: Path | str,
    spec: DatasetSpec,
    least: tuple[float, float] | None = None,
    max_pixels: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A photo (height, width, 3) and its depth map (height, width); see `read_rgb`, `read_depth`.

    A larger photo of the map's shape is shrunk to the map's size, by area. A map that lies as its
    photo does before EXIF turns that is turned alike, where the sides tell so. Given `least`
    (height, width), the photo comes at half the map's size where that is no smaller: a JPEG that
    will be shrunk anyway is so decoded in half the time.
    Errors: theirs, and ValueError where the sizes differ in another way, or where EXIF turns one of
    the two and nothing tells how the other lies.
    """
    rgb_path, depth_path = Path(rgb_path), Path(depth_path)
    depth, orientation = _read_depth(depth_path, spec, max_pixels)
    mode = cv2.IMREAD_COLOR_RGB
    if least and all(
        n % 2 == 0 and n / 2 >= few for n, few in zip(depth.shape, least, strict=True)
    ):
        mode = HALF
    photo = _read_photo(rgb_path, mode, max_pixels)
    if photo.orientation != orientation and _lies_as_stored(
        depth.shape, photo, orientation, rgb_path, depth_path
    ):
        depth, mode = turn(depth, photo.orientation), cv2.IMREAD_COLOR_RGB
        photo = _read_photo(rgb_path, mode, max_pixels)
    # Halving rounds up, so a photo that lacks a row passes for whole but by its sides.
    _check_shapes(photo.sides, rgb_path, depth.shape, depth_path, "depth map")
    rows, columns = (side // 2 if mode == HALF else side for side in depth.shape)
    return resize_rgb(photo.image, rows, columns), depth


def check_confidence(path: Path | str, rgb_path: Path | str) -> None:
    """Accepts a confidence map that lies over its photo as a depth map does, by their headers.

    Errors: those of `read_size`; ValueError for another shape than the photo's.
    """
    rgb_path, path = Path(rgb_path), Path(path)
    (sides, turned), (shape, own) = _read_header(rgb_path), _read_header(path)
    if turned and own and turned != own and not _do_sides_tell(sides, turned, shape, own):
        raise ValueError(
            "EXIF must turn a photo and its confidence map alike. Received: EXIF orientation "
            f"{turned} in {rgb_path} and {own} in {path}. Turn the pixels of both, and save "
            "them without an orientation."
        )
    _check_shapes(sides, rgb_path, shape, path, "confidence map")


def resize_rgb(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """A photo at another size: area average when it shrinks, bilinear when it grows."""
    return rgb if rgb.shape[:2] == (height, width) else _resize(rgb, height, width)


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


def resize_grey(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    """A uint8 map at another size, such as a confidence: means of the pixels under each."""
    return _resize(grey, height, width)


def crop_border(image: np.ndarray, border: tuple[float, float, float, float]) -> np.ndarray:
    """The part of an image inside `border` (top, bottom, left, right as shares of its size).

    Where that reaches beyond the image, below 0 or above 1, the image is mirrored.
    """
    height, width = image.shape[:2]
    top, bottom = (round(share * height) for share in border[:2])
    left, right = (round(share * width) for share in border[2:])
    part = image[max(top, 0) : bottom, max(left, 0) : right]
    beyond = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    if not any(beyond):
        return part
    return cv2.copyMakeBorder(part, *beyond, cv2.BORDER_REFLECT_101)


def write_rgb(path: Path | str, rgb: np.ndarray, quality: int = 92) -> None:
    """Writes uint8 RGB (height, width, 3) atomically, as JPEG or PNG by the suffix of `path`.

    Errors: ValueError for another suffix.
    """
    check_suffix(path, ".png", ".jpg", ".jpeg")
    options = [] if Path(path).suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    _encode(Path(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)


def write_depth(
    path: Path | str,
    depth: np.ndarray,
    spec: DatasetSpec,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Writes a depth map (height, width) atomically, as PNG in the encoding of `spec`.

    `texts` are written into the file by their names, for whoever makes or checks the map.
    Errors: ValueError for NaN or infinite depth, for depth beyond what the encoding holds, for an
    encoding that no PNG holds, and for a suffix other than .png.
    """
    check_suffix(path, ".png")
    if spec.depth_dtype not in ("uint8", "uint16") or spec.encoding != "depth":
        raise ValueError(
            "Depth must be written as 8 or 16-bit counts. Received: "
            f"{spec.encoding} as {spec.depth_dtype} of `{spec.name}` for {path}. Use a spec such "
            "as `specs.INDOOR_MILLIMETRE`."
        )
    limit = np.iinfo(spec.depth_dtype).max
    counts = np.round(depth / spec.scale)
    if not np.isfinite(depth).all() or counts.min() < 0 or counts.max() > limit:
        raise ValueError(
            f"Depth for `{spec.name}` must be finite and from 0 to {limit * spec.scale:g}. "
            f"Received: {np.min(depth)} to {np.max(depth)} for {path}. Set invalid pixels to 0."
        )
    counts = counts.astype(spec.depth_dtype)
    if not texts:
        _encode(Path(path), counts, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        return
    held, file = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        held.add_text(name, text)
    Image.fromarray(counts).save(file, "PNG", pnginfo=held, compress_level=9)
    write_bytes(path, file.getvalue())


def read_text(path: Path | str, name: str) -> str | None:
    """What `write_depth` wrote into a map by this name, None for nothing, "" for a bad file."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get(name)
    except Exception:  # what Pillow's plugin raises
        return ""


def _read_photo(path: Path, mode: int, max_pixels: int | None) -> Decoded:
    if not is_array(path):
        return decode(path, mode, max_pixels)
    rgb = read_array(path, None, max_pixels or decoding.MAX_PIXELS)
    check_rgb(rgb)
    height, width = rgb.shape[:2]
    if mode == HALF:
        rgb = _resize(rgb, -(-height // 2), -(-width // 2))
    return Decoded(rgb, (height, width), 1)


def _read_stored(path: Path, key: str | None, max_pixels: int | None) -> Decoded:
    if not is_array(path):
        decoded = decode(path, cv2.IMREAD_UNCHANGED, max_pixels)
        return decoded._replace(image=_drop_equal_channels(decoded.image))
    array = read_array(path, key, max_pixels or decoding.MAX_PIXELS)
    height, width = array.shape[:2]
    return Decoded(_drop_equal_channels(array), (height, width), 1)


def _drop_equal_channels(stored: np.ndarray) -> np.ndarray:
    """One channel of a grey map in colours, where nothing is transparent; others as they are."""
    if stored.ndim == 2:
        return stored
    grey, alpha = stored[..., 0], stored[..., 3:]
    colours = np.moveaxis(stored[..., :3], 2, 0)
    alike = all(np.array_equal(grey, one, equal_nan=True) for one in colours[1:])
    return np.ascontiguousarray(grey) if alike and (alpha == alpha.max(initial=0)).all() else stored


def _read_depth(path: Path, spec: DatasetSpec, max_pixels: int | None) -> tuple[np.ndarray, int]:
    """A depth map, and the orientation that its file has in EXIF's numbers."""
    stored, _, orientation = _read_stored(path, spec.key, max_pixels)
    fits = stored.dtype.kind == "f" if spec.is_float else stored.dtype == spec.depth_dtype
    if stored.ndim != 2 or not fits:
        channels = 1 if stored.ndim == 2 else stored.shape[2]
        raise ValueError(
            f"A depth map of `{spec.name}` must have one channel of {spec.depth_dtype}. Received: "
            f"{channels} of {stored.dtype} in {path}. Choose the spec that fits the files, or "
            "write the map again without conversion."
        )
    return _to_depth(stored, path, spec), orientation


def _lies_as_stored(
    shape: tuple[int, ...], photo: Decoded, orientation: int, rgb_path: Path, depth_path: Path
) -> bool:
    """Whether a map without EXIF lies as the photo's pixels do before the photo's EXIF turns them.

    Errors: ValueError where the sides do not tell.
    """
    if _do_sides_tell(photo.sides, photo.orientation, shape, orientation):
        # Neither: another shape altogether, which its own error says.
        if fits_map(photo.sides, shape) or not fits_map(photo.sides[::-1], shape):
            return False
        if orientation == 1:
            return True
    raise ValueError(
        "EXIF must turn a photo and its depth map alike, or their sides tell how each lies. "
        f"Received: EXIF orientation {photo.orientation} in {rgb_path} and {orientation} in "
        f"{depth_path}. Turn the pixels of both, and save them without an orientation."
    )


def _do_sides_tell(sides: tuple[int, ...], turned: int, shape: tuple[int, ...], own: int) -> bool:
    """Whether the sides of a photo and a map, of which EXIF turns one alone, tell how each lies.

    sides, shape: theirs, turned. turned, own: EXIF's numbers of how they lie in their files.
    """
    is_one_on_its_side = 1 in (turned, own) and (turned > 4) != (own > 4)
    return is_one_on_its_side and not (fits_map(sides, shape) and fits_map(sides[::-1], shape))


def _check_shapes(
    sides: tuple[int, int], rgb_path: Path, shape: tuple[int, ...], map_path: Path, name: str
) -> None:
    """Errors: ValueError where a photo of these sides is none of a map's shape."""
    if not fits_map(sides, shape):
        (height, width), (rows, columns) = sides, shape
        raise ValueError(
            f"A photo must be larger than its {name} in the same shape, or both of one size. "
            f"Received: {height}x{width} in {rgb_path} and {rows}x{columns} in {map_path}. "
            "Leave the pair out or repair it."
        )


def fits_map(sides: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a photo of these sides is of a map's size, or larger in the same shape to 1 %."""
    (height, width), (rows, columns) = sides, shape
    if height <= rows or width <= columns:
        return sides == shape
    return abs(math.log(height * columns / (width * rows))) <= 0.01  # ScanNet's are 0.4 % apart


class _Table(NamedTuple):
    """What each count of an encoding means: a table costs less than sums."""

    depth: np.ndarray  # 0 where there is none, or none within the range
    order: np.ndarray | slice  # the counts by what they measure, whatever the range
    measured: np.ndarray  # that depth, in this order
    kept: np.ndarray  # of it, whether it is within the range


@cache
def _tabulate(spec: DatasetSpec) -> _Table:
    dtype = np.dtype(spec.depth_dtype)
    measured = _decode_numbers(np.arange(np.iinfo(dtype).max + 1).astype(dtype), spec)
    depth = _cut(measured, spec)
    order: np.ndarray | slice = slice(None)
    if (np.diff(measured) < 0).any():
        order = np.argsort(measured, kind="stable")
    return _Table(depth, order, measured[order], depth[order] > 0)


def _decode_numbers(stored: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    """Depth of stored numbers, any shape, float32; 0 where not measured, whatever the range."""
    if spec.encoding == "sunrgbd":
        numbers = ((stored >> 3) | (stored << 13)).astype(np.float32)
    else:
        # float32 has 24 bits: enough for all but whole numbers of 32 and 64.
        wide = stored.dtype.kind != "f" and stored.dtype.itemsize > 2
        numbers = stored.astype(np.float64 if wide else np.float32)
    with np.errstate(all="ignore"):  # what is no number, and what becomes none, is not measured
        if spec.focal_baseline is not None:
            pixels = (numbers + spec.count_offset) * spec.pixels_per_count
            depth = np.where(pixels > 0, spec.focal_baseline / pixels, 0).astype(np.float32)
        else:
            depth = (numbers * numbers.dtype.type(spec.scale)).astype(np.float32)
        invalid = np.asarray(spec.invalid_counts, np.float64).astype(stored.dtype)
        if stored.dtype.kind != "f":  # what the type cannot hold would be another count
            invalid = invalid[invalid == np.asarray(spec.invalid_counts, np.float64)]
        kept = np.isfinite(depth) & (depth > 0) & ~np.isin(stored, invalid)
    return np.where(kept, depth, np.float32(0))


def _cut(measured: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    """Depth without what lies beyond the spec's range."""
    inside = (measured >= spec.min_depth) & (measured <= spec.max_depth * (1 + 1e-6))
    return np.where(inside, measured, np.float32(0))


def _to_depth(stored: np.ndarray, path: Path, spec: DatasetSpec) -> np.ndarray:
    """The depth of a map (height, width) as stored. Errors: ValueError where it cannot be right."""
    first = stored.flat[0]
    if first != first:  # NaN
        constant = np.isnan(stored).all()
    else:
        constant = stored[-1, -1] == first and (stored == first).all()
    if constant:
        raise ValueError(
            f"A depth map must vary. Received: {first} everywhere in {path}. Leave the pair out."
        )
    if stored.dtype in (np.uint8, np.uint16):
        table = _tabulate(spec)
        depth, size = cv2.LUT(stored, table.depth), table.depth.size
        histogram = cv2.calcHist([stored], [0], None, [size], [0, size]).ravel()[table.order]
        ranks = np.cumsum(histogram * (table.measured > 0), dtype=np.float64)
        measured, inside = ranks[-1], ranks[-1] - histogram @ ((table.measured > 0) & ~table.kept)
        median = table.measured[np.searchsorted(ranks, measured / 2)] if measured else 0.0
    else:
        values = _decode_numbers(stored, spec)
        depth = _cut(values, spec)
        measured, inside = np.count_nonzero(values), np.count_nonzero(depth)
        median = np.median(values[values > 0]) if measured else 0.0
    outside = 1 - inside / max(measured, 1)
    _check_encoding(float(median), outside, inside / stored.size, path, spec)
    return depth


def _check_encoding(
    median: float, outside: float, coverage: float, path: Path, spec: DatasetSpec
) -> None:
    """Errors: ValueError where a map shows that it is encoded in another way than `spec` says.

    median: of all that was measured, before what lies beyond the range is cut off, since a wrong
    scale puts it there; outside: the share of that; coverage: the share of pixels within the range.
    """
    low, high = spec.median_range
    if median and not low <= median <= high:
        raise ValueError(
            f"The median depth of a map of `{spec.name}` must be {low:g} to {high:g} ({spec.unit})."
            f" Received: {median:.3f} in {path}. Choose the spec that fits the files' encoding."
        )
    if outside > spec.most_outside:
        raise ValueError(
            f"At most {spec.most_outside:.0%} of what a map of `{spec.name}` measures may lie "
            f"outside {spec.min_depth:g} to {spec.max_depth:g} ({spec.unit}). Received: "
            f"{outside:.1%} in {path}, with a median of {median:.3f}. Choose the spec that fits "
            "the files' encoding, or say the range, or which counts are invalid, in dataset.json."
        )
    low, high = spec.coverage_range
    if not low <= coverage <= high:
        raise ValueError(
            f"A depth map of `{spec.name}` must be valid in {low:.2%} to {high:.0%} of its pixels. "
            f"Received: {coverage:.2%} in {path}. Choose the spec that fits the files."
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
