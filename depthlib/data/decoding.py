"""Image files to arrays: measured before they are decoded, whole and upright or refused by name."""

import io
import re
import stat
import struct
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from PIL import Image, ImageOps

from depthlib.data import jpeg

MAX_PIXELS = 100_000_000  # a small file may claim more than the memory holds
HALF = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2  # a photo at half its size

_FILE_BYTES = 16  # a pixel takes at most so many in a file
_PNG = b"\x89PNG\r\n\x1a\n"
_HEIC = re.compile(rb"....ftyp(he|mif1|msf1)", re.DOTALL)
_OTHERS = ("WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM")  # as Pillow calls them

_Decoder = Callable[[int], np.ndarray | None]  # takes a mode of OpenCV's
_pillow = Lock()


def decode(
    path: Path, mode: int, max_pixels: int | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """The image that OpenCV's `mode` asks for, and the two sides of what is stored, in pixels.

    The sides are those before the image is turned as its EXIF says, and before it is halved.
    `max_pixels`: how many it may have; None: MAX_PIXELS. Errors: FileNotFoundError; OSError for
    what is no regular file or cannot be read; ValueError for a file that is empty, cut off,
    damaged, too large or no image.
    """
    most = MAX_PIXELS if max_pixels is None else max_pixels
    data = _read(path, most)
    damaged = (
        f"An image must be whole. Received: {path}, cut off after {len(data)} bytes or damaged. "
        "Copy or download it again."
    )
    try:
        (height, width), decoder = _inspect(data, path)
    except (EOFError, struct.error) as error:
        raise ValueError(damaged) from error
    if not 0 < height * width <= most:
        raise ValueError(
            f"An image must have 1 to {most:,} pixels. Received: {height}x{width} in {path}. Make "
            f"it smaller, or raise `max_pixels`, or {__name__}.MAX_PIXELS for all images."
        )
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
    return image, (height, width)


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


def _inspect(data: bytes, path: Path) -> tuple[tuple[int, int], _Decoder]:
    """The height and width that an image's header claims, and what decodes it.

    Errors: EOFError or struct.error where it is cut off; ValueError for no image.
    """
    if data.startswith(jpeg.START):
        try:
            image = jpeg.read_jpeg(data)
        except ValueError as error:
            raise ValueError(f"{error} Received: {path}. Save it again.") from error
        return (image.height, image.width), partial(_decode_jpeg, image)
    if data.startswith(_PNG):  # Pillow would unpack all its texts first
        width, height = struct.unpack(">II", data[16:24])
        return (height, width), partial(_decode_with_opencv, data)
    try:
        header = _open(data, _formats())
    except Exception as error:  # what Pillow's plugins raise
        remedy = "Save it as PNG."
        if _HEIC.match(data) and "HEIF" not in _formats():
            remedy = "A HEIC needs `pip install pillow-heif`."
        raise ValueError(
            "An image must be one that OpenCV reads (JPEG, PNG, WebP, AVIF, TIFF, BMP, GIF, JPEG "
            f"2000, PNM), or a HEIC. Received: {path}, of another kind or cut off. {remedy}"
        ) from error
    codec, *_, values = [*getattr(header, "tile", []), ("", "")][0]
    if header.mode == "F" or (codec == "ppm" and values[1] != 65535):  # as white, OpenCV takes 1
        raise ValueError(
            "An image must have 8 or 16 bits a channel, and use them. Received: "
            f"{path}, of floats or with another highest value. Save it as PNG."
        )
    width, height = header.size
    if header.format in ("AVIF", "HEIF"):  # OpenCV does not turn the one, nor read the other
        return (height, width), partial(_decode_then_halve, partial(_decode_with_pillow, header))
    return (height, width), partial(_decode_then_halve, partial(_decode_with_opencv, data))


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


def _decode_with_opencv(data: bytes, mode: int) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), mode)


def _decode_with_pillow(header: Image.Image, mode: int) -> np.ndarray:
    return np.array(ImageOps.exif_transpose(header).convert("RGB"))


def _decode_then_halve(decoder: _Decoder, mode: int) -> np.ndarray | None:
    """OpenCV gains nothing by halving these itself, and has the sides of a turned TIFF reversed."""
    image = decoder(cv2.IMREAD_COLOR_RGB if mode == HALF else mode)
    if mode == HALF and image is not None:
        return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return image


def _decode_jpeg(image: jpeg.Jpeg, mode: int) -> np.ndarray | None:
    """The pixels of a JPEG, or None where its last scan breaks off.

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
    tail = b"\xff\x00" * 8 if image.scans == 1 else jpeg.END
    return _decode_with_opencv(image.data + tail, mode)
