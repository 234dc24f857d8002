"""What the segments of a JPEG say: ITU-T T.81 (ISO/IEC 10918-1), annex B."""

import re
import struct
from collections import Counter
from typing import NamedTuple

START, END = b"\xff\xd8", b"\xff\xd9"

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)  # FF00 is data, D0 to D7 restart it
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _APP1, _CODES = 0xDA, 0xE1, 0xC4
_SEGMENTS = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE}
_ZEROS = 8
_LEAST = 24  # zeros: a lost sector is some; of 3,000 photos none had as many in a row
_HOLE = re.compile(rb"\0{%d,}" % _LEAST)
_MAX_SCANS = 100  # a decoder goes over all pixels in each; cameras and programs write one to twenty


class Jpeg(NamedTuple):
    """An image in a JPEG: its sides as stored, its bytes to the end of the last scan.

    `ended`: whether the end mark follows. What else follows, a video say, is not the image's.
    `exif`: its first EXIF segment's bytes, b"" without one. `hole`: where the longest run of
    zeros in its scans ends, 0 without; `zeros_are_data`: whether by its codes they may be a flat
    area.
    """

    height: int
    width: int
    data: bytes
    scans: int
    ended: bool
    exif: bytes
    hole: int
    zeros_are_data: bool


def read_jpeg(data: bytes) -> Jpeg:
    """The image at the start of `data`; of a progressive one every scan has begun.

    Errors: EOFError where the segments break off before all that they announce has come;
    ValueError for more scans than any program writes.
    """
    height = width = components = scans = marker = first = 0
    exif, zeros_are_data = b"", True
    come: Counter[int] = Counter()  # of each component, the coefficients whose last bit has come
    position = end = len(START)
    while found := _MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        if marker not in _SEGMENTS:
            break
        try:
            (length,) = struct.unpack_from(">H", data, position)
            if marker in _FRAMES:
                height, width, components = struct.unpack_from(">HHB", data, position + 3)
            if marker == _APP1 and not exif and data.startswith(b"Exif\0\0", position + 2):
                exif = data[position + 2 : position + length]
            if marker == _CODES:
                zeros_are_data &= _may_be_zeros(data[position + 2 : position + length])
            if marker == _SCAN:
                come.update(_read_scan(data[position + 2 : position + length]))
        except (IndexError, struct.error) as error:
            raise EOFError from error
        position += length
        if marker == _SCAN:
            scans += 1
            if scans > _MAX_SCANS:
                raise ValueError(f"A JPEG must have at most {_MAX_SCANS} scans.")
            found = _AFTER_SCAN.search(data, position)
            # A copy that was broken off may go on with zeros, of which few are ever data.
            end = found.start() if found else len(data.rstrip(b"\0")) + _ZEROS
            first, position = first or position, end
    ended = found is not None and marker == END[1]
    # Where something else follows, the last scan may have taken its first bytes for its own.
    if not scans or sum(come.values()) < 64 * components or (found and not ended):
        raise EOFError
    data = data[:end].rstrip(b"\xff")
    start = data.find(bytes(_LEAST), first)  # a regular expression takes 60 times as long
    holes = [match.span() for match in _HOLE.finditer(data, start)] if start >= 0 else []
    hole = max(holes, key=lambda span: span[1] - span[0], default=(0, 0))[1]
    return Jpeg(height, width, data, scans, ended, exif, hole, zeros_are_data)


def _may_be_zeros(tables: bytes) -> bool:
    """Whether, by each of these codes for coefficients, the code of zeros alone ends a block.

    Codes count up from 0: the first symbol of a table has it. Else zeros would be a block whose
    every coefficient is there and as small, which no picture has.
    """
    position = 0
    while position + 17 < len(tables):
        count = sum(tables[position + 1 : position + 17])
        if tables[position] >> 4 and count and tables[position + 17] & 15:
            return False
        position += 17 + count
    return True


def _read_scan(header: bytes) -> dict[int, int]:
    """The components of a scan, and how many coefficients are whole with it (0: bits to come)."""
    count = header[0]
    first, last, bits = struct.unpack_from("BBB", header, 1 + 2 * count)
    return dict.fromkeys(header[1 : 1 + 2 * count : 2], 0 if bits & 15 else last + 1 - first)
