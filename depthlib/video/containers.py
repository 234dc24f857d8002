"""Video files that are written frame by frame, so that a part of one plays.

All give `write`, which says whether the disk took what it had so far, `close`, and `trim` for a
closed file that a full disk cut off.
"""

import subprocess
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import cv2
import numpy as np

QUALITY = 90  # of JPEG
# Bytes: FFmpeg holds back half of this at most; what lags further behind was not taken.
LAG = 2**19
TAIL = 2**26  # bytes: more than a frame
END_OF_JPEG = b"\xff\xd9"


def find_ffmpeg() -> str:
    """The path of the ffmpeg that the package imageio-ffmpeg brings or finds.

    Errors: ValueError where there is none.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise ValueError(
            "A video must be written to an .avi file or to images where there is no ffmpeg. "
            f"Received: .mp4, and {error}. Write .avi, or install imageio-ffmpeg."
        ) from error


class AviFile:
    """Motion JPEG: each frame stands alone, so a file that is cut off plays up to the cut."""

    def __init__(self, path: Path, fps: float, height: int, width: int) -> None:
        self._path = path
        self._given = 0  # bytes
        self._bgr = np.empty((height, width, 3), np.uint8)
        # OpenCV's own JPEGs take FFmpeg less than half the time that its encoder needs.
        options = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
        code = cv2.VideoWriter.fourcc(*"MJPG")
        self._writer = cv2.VideoWriter(
            str(path.absolute()), cv2.CAP_FFMPEG, code, float(fps), (width, height), options
        )
        if not self._writer.isOpened():
            raise OSError(
                f"OpenCV cannot write {path}, {height}x{width} at {fps:g} frames/s. Choose a "
                "folder that can be written to, or another size."
            )

    def write(self, rgb: np.ndarray) -> bool:
        """Adds a frame; False where the disk has not taken those before it."""
        cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR, dst=self._bgr)
        jpeg = cv2.imencode(".jpg", self._bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        self._writer.write(jpeg[None])
        self._given += jpeg.size
        # OpenCV says nothing of a full disk, so we ask the file.
        return self._given - self._path.stat().st_size <= LAG

    def close(self) -> None:
        self._writer.release()

    def trim(self) -> None:
        """Cuts off what is there of a last frame that is not whole: its rest would be grey."""
        with self._path.open("r+b") as file:
            start = max(self._path.stat().st_size - TAIL, 0)
            file.seek(start)
            end = file.read().rfind(END_OF_JPEG)
            if end >= 0:
                file.truncate(start + end + len(END_OF_JPEG))


class Mp4File:
    """H.264 in fragments of a second, which play without what comes after them; for browsers.

    It needs the ffmpeg of the package imageio-ffmpeg, the extra `video`.
    """

    def __init__(self, path: Path, fps: float, height: int, width: int) -> None:
        rate = Fraction(float(fps)).limit_denominator(1001)
        source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {rate} -i -".split()
        # H.264 of 4:2:0 colour has even sides.
        even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
        codec = f"-c:v libx264 -crf 20 -preset veryfast -g {max(round(fps), 1)}".split()
        parts = "-movflags +frag_keyframe+empty_moov+default_base_moof".split()
        command = [find_ffmpeg(), "-v", "error", "-y", *source, *even, *codec, *parts]
        self._process = subprocess.Popen(
            [*command, str(path.absolute())],
            stdin=subprocess.PIPE,
            start_new_session=True,  # an interrupt is ours: ffmpeg ends when its input does
        )
        self._input = cast(BinaryIO, self._process.stdin)

    def write(self, rgb: np.ndarray) -> bool:
        """Adds a frame; False where ffmpeg ended before it."""
        try:
            self._input.write(np.ascontiguousarray(rgb).data)
        except OSError:
            return False
        return True

    def close(self) -> None:
        with suppress(OSError):
            self._input.close()
        self._process.wait()

    def trim(self) -> None:
        """Nothing: a player stops before a fragment that is not whole."""
