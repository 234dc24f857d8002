"""The frames of a video: read from a file, a folder or a camera, and written so that a part plays.

A video is written as Motion JPEG in AVI: each frame stands alone, so a file that was cut off plays
up to the cut, which one of MP4 does not. It has the name *.part.avi until it is whole.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.images import read_rgb, write_rgb
from depthlib.files import natural_key

IMAGES = (".jpg", ".jpeg", ".png")
QUALITY = 90  # of JPEG


@dataclass(frozen=True)
class Frames:
    """Frames to iterate over once, uint8 RGB (height, width, 3), all of one size.

    `fps` and `count` are what the source announces, None where it does not; `live` is a camera's.
    Iterating raises ValueError at a frame of another size.
    """

    source: str
    fps: float | None
    count: int | None
    live: bool
    height: int
    width: int
    frames: Iterator[np.ndarray]

    def __iter__(self) -> Iterator[np.ndarray]:
        for number, frame in enumerate(self.frames):
            if frame.shape != (self.height, self.width, 3):
                raise ValueError(
                    "The frames of a video must have one size. Received: "
                    f"{frame.shape[0]}x{frame.shape[1]} after {self.height}x{self.width}, at frame "
                    f"{number} (from 0) of {self.source}. Cut the video there."
                )
            yield frame


def open_frames(source: Path | str | int) -> Frames:
    """The frames of a video file, a folder of images, a pattern (folder/*_colors.png) or a camera.

    Images come in natural order (frame2 before frame10). A camera is its number, 0 for the first.
    FFmpeg brings a video file that changes its size to its first one.
    Errors: FileNotFoundError; ValueError for a file that cannot be decoded or has no frame, a
    folder without images, a camera that gives none.
    """
    if str(source).isdigit():
        return _open_camera(int(source))
    path = Path(source)
    if path.is_dir():
        return _open_images(
            path, [file for file in path.iterdir() if file.suffix.lower() in IMAGES]
        )
    if "*" in path.name:
        return _open_images(path, list(path.parent.glob(path.name)))
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no video or folder {path}. Give a video file, a folder of frames, or a "
            "camera's number (0 is the first)."
        )
    return _open_video(path)


@contextmanager
def open_writer(
    target: Path | str, fps: float, height: int, width: int
) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives a function that writes the next frame, uint8 RGB (height, width, 3), to `target`.

    That is a video (.avi), or a pattern like folder/*.png, in which * becomes the frame's number.
    When the block fails or the process is killed, what is written stays: images, or a video called
    *.part.avi that plays; a video that had the target's name stays as it was.
    Errors: ValueError for another suffix, or an fps that is not above 0; FileExistsError where the
    pattern finds files; OSError where the disk does not take the video.
    """
    target = Path(target)
    if not fps > 0:
        raise ValueError(f"`fps` must be above 0. Received: fps={fps}. Use 10.")
    if target.suffix != ".avi" and not ("*" in target.stem and target.suffix in IMAGES):
        raise ValueError(
            "A video must be written to an .avi file or to images, folder/*.png or folder/*.jpg. "
            f"Received: {target}. An .mp4 that is cut off does not play: write .avi, then convert."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".avi":
        yield from _write_video(target, fps, height, width)
    else:
        yield _number_images(target)


def _open_video(path: Path) -> Frames:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(
            "A video must be one that OpenCV's FFmpeg decodes. Received: "
            f"{path}, {path.stat().st_size} bytes. Copy it again, or convert it to .mp4."
        )
    fps, count = (capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
    # A file that was cut off has no index: its count is 0 or below.
    known = {"fps": fps if fps > 0 else None, "count": round(count) if count > 0 else None}
    complaint = f"A video must have frames. Received: none that can be decoded in {path}."
    return _begin(str(path), _read_capture(capture), complaint, **known)


def _open_camera(number: int) -> Frames:
    capture = cv2.VideoCapture(number)
    fps = capture.get(cv2.CAP_PROP_FPS) if capture.isOpened() else 0
    complaint = (
        f"A camera must be there and give frames. Received: camera {number}, which gives none. "
        "Plug it in, close what else uses it, or try another number (0 is the first)."
    )
    known = {"fps": fps if fps > 0 else None, "count": None, "live": True}
    return _begin(f"camera {number}", _read_capture(capture), complaint, **known)


def _open_images(path: Path, files: list[Path]) -> Frames:
    files = sorted(files, key=lambda file: natural_key(file.name))
    complaint = (
        f"A folder of frames must hold {', '.join(IMAGES)} files. Received: none in {path}. Give "
        "the folder that holds the images themselves, or a pattern like folder/*_colors.png."
    )
    return _begin(str(path), map(read_rgb, files), complaint, fps=None, count=len(files))


def _begin(source: str, frames: Iterator, complaint: str, fps, count, live: bool = False) -> Frames:
    first = next(frames, None)
    if first is None:
        raise ValueError(complaint)
    return Frames(source, fps, count, live, *first.shape[:2], _chain(first, frames))


def _chain(first: np.ndarray, frames: Iterator) -> Iterator[np.ndarray]:
    yield first
    del first
    yield from frames


def _read_capture(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    frame = None
    try:
        while capture.isOpened():
            there, frame = capture.read(frame)
            if not there:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _write_video(target: Path, fps: float, height: int, width: int) -> Iterator[Callable]:
    part = target.with_name(f"{target.stem}.part.avi")
    # OpenCV's own JPEGs take FFmpeg less than half the time that its encoder needs.
    options = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    code = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(part), cv2.CAP_FFMPEG, code, fps, (width, height), options)
    if not writer.isOpened():
        raise OSError(f"OpenCV cannot write {part}. Choose a folder that can be written to.")
    bgr = np.empty((height, width, 3), np.uint8)
    written = 0

    def write(rgb: np.ndarray) -> None:
        nonlocal written
        cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR, dst=bgr)
        writer.write(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1][None])
        written += 1

    try:
        yield write
    finally:
        writer.release()
    # OpenCV says nothing of a full disk, so we ask the file.
    capture = cv2.VideoCapture(str(part), cv2.CAP_FFMPEG)
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    capture.release()
    if count != written:
        raise OSError(
            f"The disk took only a part of the video: {part}, {part.stat().st_size} bytes. Make "
            "room, or choose another target."
        )
    part.replace(target)


def _number_images(target: Path) -> Callable[[np.ndarray], None]:
    found = next(target.parent.glob(target.name), None)
    if found:
        raise FileExistsError(
            f"The images of a video must not mix with others. Received: {target}, where {found} "
            "is. Delete those, or choose another folder."
        )
    written = 0

    def write(rgb: np.ndarray) -> None:
        nonlocal written
        write_rgb(target.with_name(target.name.replace("*", f"{written:06d}")), rgb)
        written += 1

    return write
