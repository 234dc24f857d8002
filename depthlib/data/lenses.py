"""The lens of a photo: its focal length by a user's words, by its EXIF, or by a calibration."""

import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from threading import Lock
from typing import Literal

from PIL import Image

from depthlib.data.decoding import read_header
from depthlib.data.intrinsics import SHARES, CameraCalibration, same_aspect
from depthlib.files import check_regular

with suppress(ImportError):  # an extra: photos as iPhones write them
    from pillow_heif import register_heif_opener

    register_heif_opener()

Unit = Literal["share", "mm", "px"]

# A film frame is 36 x 24 mm; equal focal lengths have equal fields of view across the diagonal.
_DIAGONAL = math.hypot(36, 24)
# What a focal length may be in each unit. In mm: 0.2 to 10 times the width of film. In pixels
# only the photo's width tells; these are to find a share in place of pixels.
_RANGES: dict[Unit, tuple[float, float]] = {
    "share": SHARES,
    "mm": (36 * SHARES[0], 36 * SHARES[1]),
    "px": (1.0, 1e6),
}
_WRITTEN: dict[Unit, str] = {"share": "", "mm": "mm", "px": "px"}
_PANORAMA = 2.1  # the longer side over the shorter one; phones take photos of up to 2
_WORD = re.compile(
    r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?(?:nan|inf(?:inity)?))\s*(.*)"
)

_MAX_PIXELS = 2**28  # whose header is read; phones take photos of 200 megapixels

# EXIF 2.32 (CIPA DC-008-2019), section 4.6: where the Exif IFD is, and tags of it.
_EXIF_IFD = 0x8769
_FOCAL_LENGTH, _FOCAL_LENGTH_35MM, _DIGITAL_ZOOM = 0x920A, 0xA405, 0xA404
_PIXEL_X_DIMENSION, _PIXEL_Y_DIMENSION = 0xA002, 0xA003
_FOCAL_PLANE_X_RESOLUTION, _FOCAL_PLANE_UNIT = 0xA20E, 0xA210
_MILLIMETRES: dict[float, float] = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # of the units that are used

_pixel_limit = Lock()


@dataclass(frozen=True)
class FocalRequest:
    """A focal length as a user asks for it; `parse_focal` makes it.

    unit: "share" of the photo's width, "mm" for 35-mm equivalent, "px" for pixels of the photo as
    given, "exif" for each photo's own, "none" for the network's training camera. value: in that
    unit, 0 for the last two.
    """

    unit: Unit | Literal["exif", "none"]
    value: float = 0.0

    def __str__(self) -> str:
        written = {"share": "", "exif": "exif", "none": "none"}.get(self.unit, self.unit)
        return f"{self.value:g}{written}" if self.value else written


# Nobody knows how the photos lay that a calibration was made with.
_TURNED = (
    "Its EXIF turns it, and its calibration is taken to be of photos that are turned so. If those "
    "lay as the camera stores them, remove the EXIF's orientation, predict, and turn the depth."
)


@dataclass(frozen=True)
class Lens:
    """The focal length of one photo.

    focal: horizontal focal length over the width of the photo as shown (upright), None where it is
    unknown. source: where it is from; "undistorted" where a calibration's is of the photo that it
    undistorted. note: what is to be said of the photo, "" where nothing is.
    """

    focal: float | None
    source: Literal["exif", "given", "calibration", "undistorted", "unknown"]
    note: str = ""


@dataclass(frozen=True)
class _Header:
    """What a photo's file says without its pixels: tags, XMP, and its size (height, width).

    `size` is as stored, `shown` as its pixels are turned when they are read, by EXIF's number
    `orientation`.
    """

    size: tuple[int, int]
    shown: tuple[int, int]
    tags: dict[int, object]
    xmp: bytes
    orientation: int


def parse_focal(text: str | float | None) -> FocalRequest:
    """The focal length that a user asks for: 0.75, "26mm", "518px", "exif", "none" or None.

    A number without a unit is the horizontal focal length over the photo's width. Errors:
    ValueError for other words, and for a value that no lens has.
    """
    word = "none" if text is None else str(text).strip().lower()
    if word in ("exif", "none"):
        return FocalRequest("exif" if word == "exif" else "none")
    number = _WORD.fullmatch(word)
    units = {written: unit for unit, written in _WRITTEN.items()}
    if isinstance(text, bool) or not isinstance(text, str | Real) or not number:
        raise _refuse(f"{text!r}")
    value, unit = float(number[1]), units.get(number[2])
    if not unit:
        raise _refuse(f"{text!r}, of the unit {number[2]!r}{_guess(value)}")
    low, high = _RANGES[unit]
    if not low <= value <= high:
        raise _refuse(f"{text}, which no lens has{_guess(value, unit)}")
    return FocalRequest(unit, value)


def find_lens(
    photo: Path | str | tuple[int, int], request: FocalRequest | CameraCalibration
) -> Lens:
    """The focal length of one photo, over its width as it is shown.

    photo: its path, or (height, width) as shown where there is no file, such as a video's frame.
    The file is opened only where its EXIF or its size is needed. A calibration gives the focal
    length of the photo as it is: `CameraCalibration.undistort` changes it. A photo whose EXIF does
    not say its focal length has None, and a note that says why.
    Errors: an OSError that names the file; ValueError for what is no photo, pixels that are no
    focal length of a photo this wide, or a photo that the calibration does not fit.
    """
    if isinstance(request, CameraCalibration):
        if isinstance(photo, tuple):
            size, note = photo, ""
        else:
            header = _read_header(photo)
            size, note = header.shown, _TURNED * (header.orientation != 1)
        try:
            camera = request.fit(*size)
            camera.refuse_oblong(request.path)
            return Lens(camera.focal, "calibration", note)
        except ValueError as error:
            raise ValueError(f"{_name(photo)}: {error}") from error
    if request.unit == "none":
        return Lens(None, "unknown")
    if request.unit == "exif":
        if isinstance(photo, tuple):
            return _unknown("")
        focal, text = _read_exif(photo)
        return _unknown(text) if focal is None else Lens(focal, "exif", text)
    if request.unit == "share":
        return Lens(request.value, "given")
    height, width = _read_size(photo)
    pixels = request.value
    if request.unit == "mm":
        pixels *= math.hypot(height, width) / _DIAGONAL
    focal = pixels / width
    if not SHARES[0] <= focal <= SHARES[1]:
        raise _refuse(
            f"{request.value:g}{request.unit} for {_name(photo)}, {width} pixels wide, which no "
            f"lens has{_guess(request.value, request.unit)}"
        )
    return Lens(focal, "given")


def read_focal(path: Path | str) -> float:
    """The horizontal focal length of a photo over its width as it is shown, from its EXIF.

    Errors: an OSError that names the file; ValueError for what is no photo, or an EXIF that does
    not say its focal length.
    """
    focal, reason = _read_exif(path)
    if focal is None:
        raise ValueError(
            "A photo's EXIF must have FocalLengthIn35mmFilm, or FocalLength and "
            f"FocalPlaneXResolution. Received: {reason or 'neither'} in {path}. Give its focal "
            "length over its width as a number: 0.58 for KITTI's cameras, about 0.7 to 0.8 for a "
            "phone's main one."
        )
    return focal


def find_focals(paths: Sequence[Path | str], focal: float | str | None) -> list[float | None]:
    """One focal length a photo, over its width: `focal` for all, or from each one's EXIF.

    focal: as `parse_focal` takes it. None stands for an unknown one; printed lines say why. Errors:
    those of `parse_focal` and `find_lens`.
    """
    request = parse_focal(focal)
    lenses = [find_lens(path, request) for path in paths]
    with say_notes(print) as say:
        for path, lens in zip(paths, lenses, strict=True):
            say(path, lens)
    return [lens.focal for lens in lenses]


@contextmanager
def say_notes(write: Callable[[str], None]) -> Iterator[Callable[[Path | str, Lens], None]]:
    """Gives what says a lens' note of its photo, by a line to `write`.

    The same note of other photos is said once more, at the end of the block: of how many.
    """
    counts: Counter[str] = Counter()

    def say(photo: Path | str, lens: Lens) -> None:
        counts[lens.note] += 1
        if lens.note and counts[lens.note] == 1:
            write(f"{photo}: {lens.note}")

    yield say
    for note, count in counts.items():
        if note and count > 1:
            write(f"{count - 1} more: {note}")


def _refuse(received: str) -> ValueError:
    return ValueError(
        f"`focal` must be the focal length over the photo's width, {SHARES[0]:g} to {SHARES[1]:g} "
        f"(0.75), or have a unit: 35-mm equivalent (26mm, not the length written on a phone's "
        f"lens), pixels (518px); or be exif or none. Received: {received}. A phone's main camera "
        "has about 26mm."
    )


def _guess(value: float, unit: Unit | None = None) -> str:
    """A question with another unit, which makes a lens of the value; "" where none does."""
    likely: Unit = "share" if value <= 2 else "mm" if value <= 200 else "px"
    low, high = _RANGES[likely]
    if likely == unit or not low <= value <= high:
        return ""
    return f" (did you mean {value:g}{_WRITTEN[likely]}?)"


def _unknown(reason: str) -> Lens:
    note = (
        f"The focal length is not known: {reason or 'no EXIF says it'}. Metres are those of the "
        "network's training camera. Give the focal length, such as 26mm (35-mm equivalent) or 0.75 "
        "(of the photo's width)."
    )
    return Lens(None, "unknown", note)


def _name(photo: Path | str | tuple[int, int]) -> str:
    return f"a photo of {photo[0]}x{photo[1]}" if isinstance(photo, tuple) else str(photo)


def _read_size(photo: Path | str | tuple[int, int]) -> tuple[int, int]:
    """(height, width) as shown."""
    return photo if isinstance(photo, tuple) else _read_header(photo).shown


def _read_exif(path: Path | str) -> tuple[float | None, str]:
    """The focal length over the width as shown, with what is to be said; or None and the reason.

    The reason is "" where the EXIF has no focal length.
    """
    header = _read_header(path)
    original = _find_original(header)
    found = [pixels for pixels in _read_pixels(header.tags, original) if pixels]
    if not found:
        return None, ""
    if b"GPano:" in header.xmp or max(original) > _PANORAMA * min(original):
        return None, "a panorama or a strip, for which the focal length of its EXIF does not hold"
    scale = _scale_since(header.size, original)
    sizes = f"{header.size[0]}x{header.size[1]} of {original[0]}x{original[1]} (height x width)"
    if not scale:
        return None, f"an enlarged part or a montage, {sizes}"
    shares = [scale * pixels / header.shown[1] for pixels in found]
    focal = next((share for share in shares if SHARES[0] <= share <= SHARES[1]), None)
    if focal is None:
        return None, f"a focal length that no lens has, {shares[0]:.3g} of the photo's width"
    if scale == 1 and sorted(header.size) != sorted(original):
        return focal, f"It is a part, {sizes}: its focal length holds if that was not resized."
    return focal, ""


def _read_pixels(tags: dict[int, object], size: tuple[int, int]) -> Iterator[float]:
    """The focal length in pixels of the photo as taken, by either way; 0 where tags are missing."""
    film = _read_number(tags, _FOCAL_LENGTH_35MM)  # a digital zoom is in it
    yield film / _DIAGONAL * math.hypot(*size)
    zoom = _read_number(tags, _DIGITAL_ZOOM) or 1.0  # 0 stands for unused
    unit = _MILLIMETRES.get(_read_number(tags, _FOCAL_PLANE_UNIT, 2), 0.0)
    resolution = _read_number(tags, _FOCAL_PLANE_X_RESOLUTION)
    yield _read_number(tags, _FOCAL_LENGTH) * zoom * resolution / unit if unit else 0.0


def _find_original(header: _Header) -> tuple[int, int]:
    """(height, width) of the photo as taken: that of the EXIF, else that of the file."""
    height, width = header.size
    x, y = (_read_number(header.tags, tag) for tag in (_PIXEL_X_DIMENSION, _PIXEL_Y_DIMENSION))
    if not x and not y:
        return header.size
    return round(y or x * height / width), round(x or y * width / height)


def _scale_since(size: tuple[int, int], original: tuple[int, int]) -> float:
    """How many pixels a pixel of the original is; 1 for a part cut from it, 0 where unknown.

    A program that turns the pixels may leave the EXIF's size as it was.
    """
    inside = all(n <= most for n, most in zip(sorted(size), sorted(original), strict=True))
    # As high or as wide as the original: cut, even where it has the shape of the turned original.
    cut = inside and any(n == most for n, most in zip(size, original, strict=True))
    if same_aspect(*size, *original) or (same_aspect(*size, *original[::-1]) and not cut):
        return math.hypot(*size) / math.hypot(*original)
    return 1.0 if inside else 0.0


def _read_number(tags: dict[int, object], tag: int, missing: float = 0.0) -> float:
    """A tag's value; 0 for one that is no finite number above 0."""
    value = tags.get(tag, missing)
    try:
        number = float(value[0] if isinstance(value, tuple) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return 0.0
    return number if 0 < number < math.inf else 0.0


def _read_header(path: Path | str) -> _Header:
    check_regular(path)
    with Path(path).open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF: what can be read counts
        try:
            with _large_photos():
                photo = Image.open(file)
        except Exception as error:  # a dozen kinds, by format and damage
            raise ValueError(f"A photo must be an image. Received: {path}.") from error
        try:
            main = photo.getexif()
            # TIFF/EP and some programs write the tags of the Exif IFD into the main one.
            tags = dict(main) | dict(main.get_ifd(_EXIF_IFD))
        except Exception:  # the same: a photo with damaged EXIF is one without
            tags = {}
        xmp = photo.info.get("xmp", b"")
        shown, orientation = read_header(Path(path), _MAX_PIXELS)
    size = shown[::-1] if orientation > 4 else shown
    xmp = xmp if isinstance(xmp, bytes) else str(xmp).encode()
    return _Header(size, shown, tags, xmp, orientation)


@contextmanager
def _large_photos() -> Iterator[None]:
    """Lets Pillow open a photo of 200 megapixels, which it takes for an attack; OpenCV does not."""
    with _pixel_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 2**29  # twice that is an error
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
