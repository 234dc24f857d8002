"""Image files to arrays: measured before they are decoded, whole and upright or refused by name."""

import io
import re
import stat
import struct
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from depthlib.data import jpeg

MAX_PIXELS = 100_000_000  # a small file may claim more than the memory holds
HALF = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2  # a photo at half its size

_ONES = b"\xff\x00" * 8  # bits of 1 in a JPEG's scan, which are no code
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_DAMAGED = (
    "An image must be whole. Received: {path}, cut off after {bytes} bytes or damaged. Copy or "
    "download it again."
)
_FILE_BYTES = 16  # a pixel takes at most so many in a file
_PFM = b"Pf", b"PF"
_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTH_TEXT = b"tEXtdepth_scale_"  # in a PNG that `writers.write_png16` wrote
_HEIC = re.compile(rb"....ftyp(he|mif1|msf1)", re.DOTALL)
_JPEG_2000 = re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ")
_SAY_LOSS = {".jpg", ".jpeg"}
_OTHERS = ("WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM")  # as Pillow calls them

_ORIENTATION = 0x0112  # EXIF's tag
_TIFF_STARTS = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
# TIFF 6.0, section 18: a directory's entry ExtraSamples, one SHORT, of 2: an unassociated alpha.
_ALPHAS = (
    struct.pack("<HHIH", 338, 3, 1, 2),
    struct.pack(">HHIH", 338, 3, 1, 2),
    struct.pack("<HHQH", 338, 3, 1, 2),  # a BigTIFF's
)
_Decoder = Callable[[int], np.ndarray | None]  # takes a mode of OpenCV's
_pillow = Lock()


class Decoded(NamedTuple):
    """An image, turned as its EXIF says; its height and width so turned, before it is halved.

    `orientation` is EXIF's number for how it lies in its file, 1 where that is upright.
    """

    image: np.ndarray
    sides: tuple[int, int]
    orientation: int


def decode(path: Path, mode: int, max_pixels: int | None = None) -> Decoded:
    """The image that OpenCV's `mode` asks for; with IMREAD_UNCHANGED a map, which may be of floats.

    `max_pixels`: how many it may have; None: MAX_PIXELS. Errors: FileNotFoundError; OSError for
    what is no regular file or cannot be read; ValueError for a file that is empty, cut off,
    damaged, too large or no image.
    """
    data, (height, width), decoder, orientation = _measure(path, mode, max_pixels)
    damaged = _DAMAGED.format(path=path, bytes=len(data))
    try:
        image = decoder(mode)
    except Exception as error:  # cv2.error, and what Pillow's plugins raise
        if isinstance(error, MemoryError) or getattr(error, "code", 0) == cv2.Error.StsNoMem:
            damaged = (
                f"An image must fit into memory. Received: {height}x{width} in {path}. Make it "
                "smaller."
            )
        raise ValueError(damaged) from error
    if image is None:
        raise ValueError(damaged)
    if mode != cv2.IMREAD_UNCHANGED and not data.startswith(jpeg.START):
        if data.startswith(_PNG) and _DEPTH_TEXT in data[:4096]:
            raise ValueError(
                f"A photo must not be a depth map. Received: {path}, whose text says the scale of "
                "its depth. Leave it out."
            )
        _refuse_few_bits(image, decoder, path)
    elif mode == cv2.IMREAD_UNCHANGED and not data.startswith(_TIFF_STARTS):  # OpenCV turns these
        image = turn(image, orientation)
    sides = (width, height) if orientation > 4 else (height, width)
    scale, spare = (2, 1) if mode == HALF else (1, 0)
    if any(abs(scale * n - side) > spare for n, side in zip(image.shape, sides, strict=False)):
        raise ValueError(damaged)  # another size than its header's
    if mode == cv2.IMREAD_UNCHANGED and path.suffix.lower() not in _SAY_LOSS:
        _refuse_loss(data, path)
    return Decoded(image, sides, orientation)


def read_sides(path: Path) -> tuple[int, int]:
    """The height and width that an image's header claims, turned. Errors: those of `decode`."""
    return read_header(path)[0]


def read_header(path: Path, max_pixels: int | None = None) -> tuple[tuple[int, int], int]:
    """What `Decoded` says of an image but its pixels: `sides` as its header claims, `orientation`.

    Errors: those of `decode`.
    """
    _, (height, width), _, orientation = _measure(path, cv2.IMREAD_COLOR_RGB, max_pixels)
    return (width, height) if orientation > 4 else (height, width), orientation


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image (height, width, ...) as EXIF's `orientation` asks: CIPA DC-008, table 6."""
    image = image[::-1] if orientation in (3, 4, 6, 7) else image
    image = image[:, ::-1] if orientation in (2, 3, 7, 8) else image
    return np.ascontiguousarray(image.swapaxes(0, 1) if orientation > 4 else image)


def _read(path: Path, max_pixels: int) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe may never answer, and a device never end
        raise OSError(f"An image must be a regular file. Received: {path}. Leave it out.")
    if status.st_size > _FILE_BYTES * max_pixels:
        raise ValueError(
            f"An image of {max_pixels:,} pixels has at most {_FILE_BYTES} bytes for each. Received:"
            f" {status.st_size:,} bytes in {path}. Make it smaller, or raise `max_pixels`."
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    if not data:
        raise ValueError(f"An image must not be empty. Received: 0 bytes in {path}.")
    return data


def _measure(
    path: Path, mode: int, max_pixels: int | None = None
) -> tuple[bytes, tuple[int, int], _Decoder, int]:
    """An image's bytes, and what `_inspect` gives. Errors: those of `decode`."""
    most = MAX_PIXELS if max_pixels is None else max_pixels
    data = _read(path, most)
    try:
        (height, width), decoder, orientation = _inspect(data, path, mode)
    except (EOFError, struct.error) as error:
        raise ValueError(_DAMAGED.format(path=path, bytes=len(data))) from error
    if not 0 < height * width <= most:
        raise ValueError(
            f"An image must have 1 to {most:,} pixels. Received: {height}x{width} in {path}. Make "
            f"it smaller, or raise `max_pixels`, or {__name__}.MAX_PIXELS for all images."
        )
    return data, (height, width), decoder, orientation


def _inspect(data: bytes, path: Path, mode: int) -> tuple[tuple[int, int], _Decoder, int]:
    """The height and width that an image's header claims, what decodes it, its EXIF orientation.

    Errors: EOFError or struct.error where it is cut off; ValueError for no image.
    """
    if data.startswith(jpeg.START):
        try:
            image = jpeg.read_jpeg(data)
        except ValueError as error:
            raise ValueError(f"{error} Received: {path}. Save it again.") from error
        orientation = _read_orientation(image.exif)
        decoder: _Decoder = partial(_decode_jpeg, image, path)
        return (image.height, image.width), partial(_turn, decoder, orientation), orientation
    if data.startswith(_PNG):  # Pillow would unpack all its texts first
        width, height = struct.unpack(">II", data[16:24])
        orientation = _read_orientation(_find_exif(data))
        decoder = partial(_decode_with_opencv, data)
        return (height, width), partial(_turn, decoder, orientation), orientation
    try:
        header = _open(data, _formats())
        pages = getattr(header, "n_frames", 1)  # a damaged TIFF is found out here alone
    except Exception as error:  # what Pillow's plugins raise
        found = _inspect_tiff(data, path) if mode == cv2.IMREAD_UNCHANGED else None
        if found:
            return found
        remedy = "Save it as PNG."
        if _HEIC.match(data) and "HEIF" not in _formats():
            remedy = "A HEIC needs `pip install pillow-heif`."
        raise ValueError(
            "An image must be one that OpenCV reads (JPEG, PNG, WebP, AVIF, TIFF, BMP, GIF, JPEG "
            f"2000, PNM), or a HEIC. Received: {path}, of another kind or cut off. {remedy}"
        ) from error
    codec, *_, values = [*getattr(header, "tile", []), ("", "")][0]
    if mode == cv2.IMREAD_UNCHANGED:
        if pages > 1:
            raise ValueError(
                f"A depth map must be alone in its file. Received: {pages} pages in {path}. Save "
                "each as a file of its own."
            )
    elif header.mode == "F" or (codec == "ppm" and values[1] != 65535):  # as white, OpenCV takes 1
        raise ValueError(
            "An image must have 8 or 16 bits a channel, and use them. Received: "
            f"{path}, of floats or with another highest value. Save it as PNG."
        )
    width, height = header.size
    orientation = _read_orientation(header.info.get("exif", b""))
    if header.format in ("TIFF", "HEIF"):  # whose size Pillow gives as turned
        tags = header.tag_v2 if isinstance(header, TiffImageFile) else header.getexif()
        orientation = header.info.get("original_orientation") or _read_orientation(tags)
        height, width = (width, height) if orientation > 4 else (height, width)
    if header.format == "TIFF" and header.mode == "RGBA":
        data = _hide_alpha(data)
    decoder = partial(_decode_with_opencv, data)
    if header.format in ("AVIF", "HEIF"):  # OpenCV does not turn the one, nor read the other
        decoder = partial(_decode_with_pillow, header)
    if header.format == "AVIF":
        decoder = partial(_turn, decoder, orientation)
    return (height, width), partial(_decode_then_halve, decoder), orientation


def _inspect_tiff(data: bytes, path: Path) -> tuple[tuple[int, int], _Decoder, int] | None:
    """As `_inspect`, of one map of float16 or float64, which Pillow does not know; else None."""
    if not data.startswith(_TIFF_STARTS):
        return None
    try:
        import tifffile

        with tifffile.TiffFile(io.BytesIO(data)) as file:
            (page,) = file.pages
            height, width = page.shape
    except ModuleNotFoundError as error:
        raise ValueError(f"{path} needs `pip install tifffile`.") from error
    except Exception:  # what it makes of damaged bytes, and of more pages or channels
        return None
    if page.dtype == np.float64:
        return (height, width), partial(_decode_with_opencv, data), 1
    return (height, width), lambda mode: tifffile.imread(io.BytesIO(data)), 1


def _refuse_few_bits(image: np.ndarray, decoder: _Decoder, path: Path) -> None:
    """Errors: ValueError for a photo of 16 bits that uses few of them: it would be nearly black.

    That is 12 or fewer of a colour, and 15 or fewer of grey, as depth maps are: 8 m in millimetres
    take 13, a road's 80 m in KITTI's 1/256 m take 15. image: its 8 bits.
    """
    if image.max() >= 128:  # of 15 bits at most
        return
    stored = decoder(cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16:
        return
    colours = np.atleast_3d(stored)[..., :3]  # without the alpha
    most = int(colours.max())
    is_grey = most < 1 << 15 and (colours == colours[..., :1]).all()
    if 0 < most < (1 << 15 if is_grey else 1 << 12):
        raise ValueError(
            "An image must have 8 or 16 bits a channel, and use them. Received: "
            f"{path}, of 16 bits with values up to {most}: of a camera of fewer bits, or a depth "
            f"map. Multiply a photo by {65535 // most}, or save it with 8 bits."
        )


def _refuse_loss(data: bytes, path: Path) -> None:
    """Errors: ValueError for a map whose name does not say that its numbers are only like it."""
    # ISO/IEC 15444-1, A.6.1: the last byte of COD is 0 for the transform that rounds.
    coding = data.find(b"\xff\x52", max(data.find(b"\xff\x4f\xff\x51"), 0))
    found = {
        "a JPEG": data.startswith(jpeg.START),
        "lossy WebP": data[8:12] == b"WEBP" and b"VP8 " in data[12:4096],
        "lossy JPEG 2000": _JPEG_2000.match(data) and data[coding + 13 : coding + 14] == b"\0",
        "a HEIC or AVIF": _HEIC.match(data) or data[4:12] == b"ftypavif",
        "a TIFF of JPEGs": data.startswith(_TIFF_STARTS) and _is_tiff_of_jpegs(data),
    }
    for kind, is_so in found.items():
        if is_so:
            raise ValueError(
                "A depth map must be stored without loss, whatever its name says. Received: "
                f"{kind} in {path}, whose numbers are changed at every edge. Save it as PNG from "
                "what it was made of, or call it .jpg if there is nothing better."
            )


def _hide_alpha(data: bytes) -> bytes:
    """A TIFF whose alpha counts as data of no known meaning: OpenCV multiplies colours by it."""
    for entry in _ALPHAS:
        data = data.replace(entry, entry.replace(b"\2", b"\0"))
    return data


def _is_tiff_of_jpegs(data: bytes) -> bool:
    try:
        return "jpeg" in str(_open(data, ("TIFF",)).info.get("compression"))
    except Exception:  # what Pillow's plugin raises; whoever decodes it says what is wrong
        return False


def _read_orientation(exif: bytes | Mapping[int, Any]) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none, or none that can be read.

    Only EXIF counts, as for OpenCV and browsers. Pillow's `getexif` takes it from XMP too.
    """
    try:
        orientation = int((_load(exif) if isinstance(exif, bytes) else exif).get(_ORIENTATION, 1))
    except Exception:  # what Pillow's reader raises, as OpenCV's turns nothing then
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _load(exif: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(exif)
    return tags


def _find_exif(data: bytes) -> bytes:
    """The EXIF in a PNG, as the chunk that holds it has it; b"" without one.

    Errors: EOFError where a chunk claims more bytes than follow: OpenCV would make room for them.
    """
    position, exif = len(_PNG), b""
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            raise EOFError
        if kind == b"eXIf" and not exif:
            exif = data[position + 8 : position + 8 + length]
        if kind == b"IEND":
            break
        position += length + 12
    return exif


def _open(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """An image's header. Pillow decodes it when it is asked for pixels, whatever their number."""
    with _pillow:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours is the caller's to set
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@cache
def _formats() -> tuple[str, ...]:
    try:
        from pillow_heif import register_heif_opener
    except ModuleNotFoundError:
        return _OTHERS
    register_heif_opener()
    return (*_OTHERS, "HEIF")


def _turn(decoder: _Decoder, orientation: int, mode: int) -> np.ndarray | None:
    """Turns what was decoded by the EXIF that we read: OpenCV reads damaged EXIF in another way."""
    image = decoder(mode | cv2.IMREAD_IGNORE_ORIENTATION)
    return image if image is None or mode == cv2.IMREAD_UNCHANGED else turn(image, orientation)


def _decode_with_opencv(data: bytes, mode: int) -> np.ndarray | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    if image is not None and data.startswith(_PFM):
        # OpenCV divides by the header's scale, whose sign alone, the order of bytes, all agree on:
        # Middlebury's files have -0.003922, and numbers that are right as they are.
        return image * np.float32(abs(float(data.split(None, 4)[3])))
    return image


def _decode_with_pillow(header: Image.Image, mode: int) -> np.ndarray:
    return np.array(header.convert("RGB"))


def _decode_then_halve(decoder: _Decoder, mode: int) -> np.ndarray | None:
    """OpenCV gains nothing by halving these itself, and has the sides of a turned TIFF reversed."""
    image = decoder(cv2.IMREAD_COLOR_RGB if mode == HALF else mode)
    if mode == HALF and image is not None:
        return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return image


def _decode_jpeg(image: jpeg.Jpeg, path: Path, mode: int) -> np.ndarray | None:
    """The pixels of a JPEG, or None where its last scan breaks off; a warning where a part is lost.

    libjpeg fills what an end mark cuts off with grey, and OpenCV does not say so. Without the mark
    libjpeg gives up. So a single scan is decoded without it, and with as many bytes more as libjpeg
    reads ahead: 1s, which are no code. Several scans need the mark. There, and where the file has
    none, something is missing if other bytes before the mark make other pixels.
    """
    if image.scans > 1 or not image.ended:
        first, second = (
            np.asarray(_open(image.data + more + jpeg.END, ("JPEG",))) for more in (b"", b"U" * 200)
        )
        if not np.array_equal(first, second):
            return None
    tail = _ONES if image.scans == 1 else jpeg.END
    decoded = _decode_with_opencv(image.data + tail, mode)
    if decoded is not None and image.hole and _is_lost(image):
        warnings.warn(
            f"A part of {path} seems lost: it holds zeros where the picture should go on. It is "
            "read as it is. Copy or download it again, or leave it out.",
            stacklevel=2,
        )
    return decoded


def _is_lost(image: jpeg.Jpeg) -> bool:
    """Whether the zeros in a JPEG's scan are none of its data.

    Several scans, each of codes of its own, tell by the end of the one that has the zeros: it is
    out of step where its last bytes do not matter, or further ones do.
    """
    if image.scans == 1:
        return not image.zeros_are_data
    found = _NEXT_MARKER.search(image.data, image.hole)
    end = found.start() if found else len(image.data)
    start, rest = image.data[:end], image.data[end:] + jpeg.END
    whole, other, longer = (
        np.asarray(_decode_with_opencv(data + rest, cv2.IMREAD_COLOR_RGB))
        for data in (start, start[: -len(_ONES) // 2] + _ONES, start + b"U" * 64)
    )
    return np.array_equal(whole, other) or not np.array_equal(whole, longer)
