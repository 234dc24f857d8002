"""The frames of a video: read from a file, a folder, a camera or a URL, and written.

What is written has the name *.part.avi or *.part.mp4 until it is whole, and plays before that.
Sound is neither read nor written.
"""

import glob
import math
import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, TypeVar

import cv2
import numpy as np

from depthlib.data.images import check_rgb, read_rgb, resize_rgb, write_rgb
from depthlib.files import VIDEO, check_ours, natural_key, replace_ours
from depthlib.prediction.outputs import leave_out_outputs
from depthlib.video.containers import AviFile, Mp4File, find_ffmpeg

IMAGES = (".jpg", ".jpeg", ".png")
URLS = ("http://", "https://", "rtsp://")
CONTAINERS: dict[str, type[AviFile] | type[Mp4File]] = {".avi": AviFile, ".mp4": Mp4File}
# Frames a second. OpenCV ends the process below 0.001, and loses frames of an .avi above 1,000.
SLOWEST, FASTEST = 0.01, 1000
# How lists begin: HLS, FFmpeg's, DASH, SDP. No video does.
_LIST = re.compile(rb"(\xef\xbb\xbf)?\s*(#EXT|ffconcat|<|v=0|\[)", re.IGNORECASE)
WHOLE = 0.98  # of the frames that a file says it has, at least: some count by their duration
_STDERR = 2  # its file descriptor
_HOLDING = Lock()
_Result = TypeVar("_Result")
_INTERLACED = b"interlaced to progressive"  # in what FFmpeg says of a frame that is not converted
WIDEST = 4  # pixels of video are up to 2.8 times as wide as high; what says more is wrong
STAMPS = 1000  # frames whose time stamps are compared with the rate that a file claims


@dataclass(frozen=True)
class Frames:
    """Frames to iterate over once, uint8 RGB (height, width, 3), all of one size.

    `fps` is the mean rate, `count` what the source announces, None where neither is known; `live`
    is a camera's. Iterating raises ValueError at a frame of another size.
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

    Images come in natural order (frame2 before frame10), hidden ones (._frame2.jpg) not at all.
    A camera is its number, 0 for the first, or its device, /dev/video0. What exists under the name
    comes first: a folder 2024 is no camera. Of URLs, http://, https:// and rtsp:// (live) are
    opened; http:// is tested on a local server, while https://, rtsp:// and /dev/video0 have not
    been run. FFmpeg brings a video file that changes its size to its first one.
    Frames of other than square pixels (HDV, DV, DVD) are stretched, as players do; interlaced ones,
    which most of these are, are refused with the command that converts them.
    The rate of a file is what its time stamps say where it claims another: browsers record at 1,000
    frames a second, phones at a rate that varies, of which this is the mean.
    Errors: FileNotFoundError; ValueError for a video that cannot be decoded or has no frame, a
    folder without images, a camera that gives none.
    """
    name = str(source)
    if name.startswith(URLS):
        return _open_url(name)
    path = Path(name)
    if path.is_dir() or (not path.exists() and "*" in path.name and path.parent.is_dir()):
        return _open_images(path)
    if path.is_char_device():
        return _open_camera(name, _capture(name, cv2.CAP_V4L2))
    if path.is_file():
        return _open_video(path)
    if re.fullmatch("0|[1-9][0-9]{0,3}", name):
        return _open_camera(name, _capture(int(name)))
    raise FileNotFoundError(
        f"There is no video or folder {path}. Give a video file, a folder of frames, a camera's "
        f"number (0 is the first), or a URL ({', '.join(URLS)})."
    )


@contextmanager
def open_writer(
    target: Path | str, fps: float, height: int, width: int
) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives a function that writes the next frame, uint8 RGB (height, width, 3), to `target`.

    That is a video without sound (.avi; .mp4 with the package imageio-ffmpeg, the extra `video`,
    where an odd side gets a black row or column), or a pattern like folder/*.png, in which *
    becomes the frame's number. When the block fails or the process is killed, what is written
    stays: images, or a video called *.part.avi that plays; a video that had the target's name stays
    as it was. A part that an earlier run left stays too, and the next is called *.part2.avi.
    Errors: ValueError for another suffix, a frame of another size, no frame, or an fps that is
    not from SLOWEST to FASTEST; FileExistsError where the pattern finds files, and for a video of
    one's own (`files.check_ours`); IsADirectoryError where the target is a folder; OSError where
    the disk is full, at once, with the number of frames that play.
    """
    target = Path(target)
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(f"`fps` must be from {SLOWEST} to {FASTEST}. Received: fps={fps}. Use 10.")
    images = "*" in target.stem and target.suffix in IMAGES
    if not images and target.suffix not in CONTAINERS:
        raise ValueError(
            "A video must be written to an .avi file or to images, folder/*.png or folder/*.jpg, "
            f"or to an .mp4 file. Received: {target}. Choose another name."
        )
    if target.suffix == ".mp4":
        find_ffmpeg()
    if target.is_dir():
        raise IsADirectoryError(
            f"A video must be a file. Received: {target}, a folder. Use {target / 'video.avi'}."
        )
    if not images:
        check_ours(target, kind=VIDEO)  # before a long video, and after it
    opened = _write_images(target) if images else _write_video(target, fps, height, width)
    with opened as write_one:

        def write(rgb: np.ndarray) -> None:
            check_rgb(rgb)
            if rgb.shape[:2] != (height, width):
                raise ValueError(
                    f"The frames of a video must have one size. Received: {rgb.shape[0]}x"
                    f"{rgb.shape[1]} for {height}x{width} in {target}. Resize the frame."
                )
            write_one(rgb)

        yield write


def protect_source(source: Path | str | int, target: Path | str) -> None:
    """Accepts a target that leaves its source as it is; nothing is opened.

    Errors: ValueError where both are one file, under whatever names and links, or where the target
    would be among the frames of the folder or pattern.
    """
    source, target = Path(str(source)), Path(target)
    if source.exists() and target.exists() and source.samefile(target):
        raise ValueError(
            f"The target must not be the source. Received: {target}, which is {source}. Choose "
            "another name."
        )
    folder = source if source.is_dir() else source.parent
    beside = folder.is_dir() and target.parent.is_dir() and folder.samefile(target.parent)
    if not (beside and target.name):
        return
    for number in range(max(len(_find_images(source)), 1)):
        name = _name_image(target, number).name
        if _is_frame(name, source):
            raise ValueError(
                f"The target must not become a frame of the source. Received: {target}, of which "
                f"{name} would be one of {source}. Choose another folder."
            )


def _open_video(path: Path) -> Frames:
    with path.open("rb") as file:
        if _LIST.match(file.read(256)):
            raise ValueError(
                f"A video must hold its own frames. Received: {path}, a list of other files, which "
                "FFmpeg would open wherever they are. Give those files, or the URL of the list."
            )
    capture = _open_capture(path, decoded=True)
    if not capture.isOpened():
        raise ValueError(
            "A video must be one that OpenCV's FFmpeg decodes. Received: "
            f"{path}, {path.stat().st_size} bytes. {_advise(path)}"
        )
    announced = _read_rate(capture)
    if announced[0] and (measured := _measure_rate(path, announced[0])):
        announced = measured
    frames = _read_capture(capture, str(path))
    if (first := next(frames, None)) is None:
        raise ValueError(
            f"A video must have frames. Received: none that can be decoded in {path}. "
            f"{_advise(path)}"
        )
    return _begin(str(path), first, frames, *announced)


def _open_url(url: str) -> Frames:
    shown = re.sub("//[^/]*@", "//", url)  # no password in a message
    capture = _capture(url, cv2.CAP_FFMPEG)
    announced = _read_rate(capture)
    frames = _read_capture(capture, shown)
    if (first := next(frames, None)) is None:
        raise ValueError(
            f"A URL must give a video that OpenCV's FFmpeg decodes. Received: {shown}, which gives "
            "none. See whether a browser or a player opens it, or download it and give the file."
        )
    return _begin(shown, first, frames, *announced, live=url.startswith("rtsp"))


def _open_camera(name: str, capture: cv2.VideoCapture) -> Frames:
    fps, _ = _read_rate(capture)
    frames = _read_capture(capture, f"camera {name}")
    if (first := next(frames, None)) is None:
        raise ValueError(
            f"A camera must be there and give frames. Received: camera {name}, which gives none. "
            "Plug it in, close what else uses it, or try another number (0 is the first)."
        )
    return _begin(f"camera {name}", first, frames, fps, None, live=True)


def _open_images(source: Path) -> Frames:
    found = sorted(_find_images(source), key=lambda file: natural_key(file.name))
    files = leave_out_outputs(found)
    if not files:
        raise ValueError(
            f"A folder of frames must hold {', '.join(IMAGES)} files. Received: none in {source}. "
            "Give the folder that holds the images themselves, or a pattern like "
            "folder/*_colors.png."
        )
    frames = map(read_rgb, files)
    return _begin(str(source), next(frames), frames, None, len(files))


def _begin(
    source: str,
    first: np.ndarray,
    frames: Iterator[np.ndarray],
    fps: float | None,
    count: int | None,
    live: bool = False,
) -> Frames:
    height, width = first.shape[:2]
    return Frames(source, fps, count, live, height, width, _chain(first, frames))


def _chain(first: np.ndarray, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    del first
    yield from frames


def _find_images(source: Path) -> list[Path]:
    """The files that are the frames of a folder or of a pattern."""
    folder = source if source.is_dir() else source.parent
    return [file for file in folder.iterdir() if _is_frame(file.name, source) and file.is_file()]


def _is_frame(name: str, source: Path) -> bool:
    """Whether an image of this name is a frame of `source`, if it lies in its folder."""
    if name.startswith("."):
        return False
    if source.is_dir():
        return Path(name).suffix.lower() in IMAGES
    return not source.exists() and fnmatchcase(name, source.name)


def _open_capture(path: Path, decoded: bool) -> cv2.VideoCapture:
    """A video file's frames, or its packets, which need no decoder."""
    # An absolute path: what FFmpeg gets as file:v.avi or concat:v.avi is another file to it.
    options = [] if decoded else [cv2.CAP_PROP_FORMAT, -1]
    return _capture(str(path.absolute()), cv2.CAP_FFMPEG, options)


def _capture(*source: Any) -> cv2.VideoCapture:
    """cv2.VideoCapture, without what OpenCV and FFmpeg print of what they cannot open: we say it.

    What they say of damaged frames, which nothing else tells, stays: so their log levels, which are
    for all of a process, stay too.
    """
    return _hold_stderr(lambda: cv2.VideoCapture(*source))[0]


def _hold_stderr(call: Callable[[], _Result]) -> tuple[_Result, bytes]:
    """What `call` gives, and what libraries write meanwhile to the process's stderr, past Python's.

    One thread at a time: else one would put back another's file for good.
    """
    in_memory = hasattr(os, "memfd_create")  # no folder of temporary files is then needed
    file = os.fdopen(os.memfd_create("stderr"), "w+b") if in_memory else TemporaryFile()
    with _HOLDING, file as held:
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # it is closed
            return call(), b""
        try:
            os.dup2(held.fileno(), _STDERR)
            result = call()
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
        held.seek(0)
        return result, held.read()


def _read_frame(
    capture: cv2.VideoCapture, frame: np.ndarray | None, source: str
) -> np.ndarray | None:
    """The next frame as OpenCV has it, in the memory of `frame` where that fits; None at the end.

    Errors: ValueError for an interlaced one: OpenCV 5 gives the frame before it once more, or what
    is in its memory, and only FFmpeg says a word of it.
    """
    (there, frame), said = _hold_stderr(lambda: capture.read(frame))
    if _INTERLACED in said:
        raise ValueError(
            "The frames of a video must be whole pictures. Received: interlaced ones, of every "
            f"other row, in {source}. Convert it: "
            + _write_command(source, "-vf", "bwdif=send_frame")
        )
    if said:
        with _HOLDING:
            os.write(_STDERR, said)
    return frame if there else None


def _read_capture(capture: cv2.VideoCapture, source: str) -> Iterator[np.ndarray]:
    frame = None
    down, across = _read_pixel_sides(capture)
    try:
        while capture.isOpened():
            frame = _read_frame(capture, frame, source)
            if frame is None:
                return
            height, width = round(frame.shape[0] * down), round(frame.shape[1] * across)
            yield resize_rgb(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), height, width)
    finally:
        capture.release()


def _read_pixel_sides(capture: cv2.VideoCapture) -> tuple[float, float]:
    """A pixel's height and width as it is shown, of which one is 1: those of HDV and DV differ."""
    get = capture.get
    wide, high = get(cv2.CAP_PROP_SAR_NUM), get(cv2.CAP_PROP_SAR_DEN)
    ratio = wide / high if high > 0 else 1.0
    if not 1 / WIDEST <= ratio <= WIDEST or abs(ratio - 1) <= 0.01:
        return 1.0, 1.0
    # The ratio is that of the pixels as stored; OpenCV turns the frames by the file's rotation.
    lies = get(cv2.CAP_PROP_ORIENTATION_AUTO) and get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90
    return (ratio, 1.0) if lies else (1.0, ratio)


def count_frames(path: Path) -> int:
    """The frames that a video file says it has, which are all there in one of ours; 0 for none."""
    return _read_rate(_open_capture(path, decoded=False))[1] or 0 if path.is_file() else 0


def _read_rate(capture: cv2.VideoCapture) -> tuple[float | None, int | None]:
    """Frames a second and frames, as announced."""
    fps, frames = (capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
    # A file that was cut off has no index: its count is 0 or below.
    announced = round(frames) if 0 < frames < math.inf else None
    return fps if 0 < fps < math.inf else None, announced


def _measure_rate(path: Path, claimed: float) -> tuple[float, int] | None:
    """Frames a second and frames by the time stamps, None where they allow what is claimed.

    Most files are done with after a second's reading. A packet may be half a frame, of interlaced
    video, or one that is not shown: so nothing is changed before decoded frames say so as well.
    """
    for decoded, most in ((False, STAMPS), (False, None), (True, STAMPS)):
        stamps = list(islice(_read_stamps(path, decoded), most))
        span = (max(stamps) - min(stamps)) / 1000 if stamps else 0
        steps = len(stamps) - 1
        if span <= 0 or abs(span - steps / claimed) <= span / 100 + 1 / claimed:
            return None
        if not decoded:
            measured = steps / span, len(stamps)
    return measured


def _read_stamps(path: Path, decoded: bool) -> Iterator[float]:
    """The time of each frame or packet, in milliseconds, in the order of decoding."""
    capture = _open_capture(path, decoded)
    while capture.grab():
        yield capture.get(cv2.CAP_PROP_POS_MSEC)


def _advise(path: Path) -> str:
    """What to do with a video that is not decoded."""
    capture = _open_capture(path, decoded=False)
    if not capture.grab():
        return "Copy it again, or convert it to .mp4."
    tag = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF  # with a sign or without
    fourcc = tag.to_bytes(4, "little")
    return f"Its codec is {repr(fourcc)[2:-1]}. Convert it: {_write_command(str(path))}"


def _write_command(source: str, *filters: str) -> str:
    """The command that makes a video that OpenCV decodes of one that it does not."""
    path = Path(source)
    target = path.with_name(f"{path.stem}_h264.mp4")
    words = (
        "-i",
        source,
        *filters,
        "-c:v",
        "libx264",
        str(target if path.exists() else target.name),
    )
    return f"ffmpeg {shlex.join(words)}"


@contextmanager
def _write_video(
    target: Path, fps: float, height: int, width: int
) -> Iterator[Callable[[np.ndarray], None]]:
    part = _make_part(target)
    written = 0
    try:
        container = CONTAINERS[target.suffix](part, fps, height, width)

        def write(rgb: np.ndarray) -> None:
            nonlocal written
            written += 1
            if not container.write(rgb):
                raise _cut_short(container, part, written)

        try:
            yield write
        finally:
            container.close()
        if not written:
            raise ValueError(f"A video must have frames. Received: none for {target}.")
    except BaseException:
        if not written:
            part.unlink(missing_ok=True)  # where OpenCV cannot begin, it removes it
        raise
    if not _is_whole(part, written):
        raise _cut_short(container, part, written)
    with replace_ours(target, VIDEO) as temporary:
        part.replace(temporary)


def _cut_short(container: AviFile | Mp4File, part: Path, written: int) -> OSError:
    """Makes the best of a video that the disk did not take, and says what that is."""
    container.close()
    container.trim()
    plays = sum(1 for _ in _read_stamps(part, decoded=True))
    return OSError(
        f"The disk took only a part of the video: {plays} of {written} frames play in {part}. Make "
        "room, or choose another target."
    )


def find_parts(target: Path) -> list[Path]:
    """The parts of a video that runs left which were stopped, or had no more room."""
    number = re.compile(re.escape(target.stem) + r"\.part\d*" + re.escape(target.suffix))
    there = target.parent.iterdir() if target.parent.is_dir() else ()
    return [path for path in there if number.fullmatch(path.name)]


def _make_part(target: Path) -> Path:
    """A new file beside the target, under a name that no earlier run has left a part under."""
    suffixes = (f".part{number if number > 1 else ''}{target.suffix}" for number in count(1))
    part = next(part for part in map(target.with_suffix, suffixes) if not part.exists())
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch(exist_ok=False)
    except OSError as error:
        raise OSError(
            error.errno,
            f"OpenCV cannot write {part}: {error.strerror}. Choose a folder that you may write to.",
        ) from error
    return part


def _is_whole(part: Path, written: int) -> bool:
    """Whether both the index and the packets are there."""
    announced = _read_rate(_open_capture(part, decoded=False))[1] or 0
    return announced == written == sum(1 for _ in _read_stamps(part, decoded=False))


@contextmanager
def _write_images(target: Path) -> Iterator[Callable[[np.ndarray], None]]:
    # Only * is special: a name may hold brackets.
    pattern = "*".join(map(glob.escape, target.name.split("*")))
    found = next(target.parent.glob(pattern), None)
    if found:
        raise FileExistsError(
            f"The images of a video must not mix with others. Received: {target}, where {found} "
            "is. Delete those, or choose another folder."
        )
    written = 0

    def write(rgb: np.ndarray) -> None:
        nonlocal written
        path = _name_image(target, written)
        try:
            write_rgb(path, rgb)
        except OSError as error:
            raise OSError(
                error.errno,
                f"Only {written} images of the video are written: {error.strerror} at {path}. "
                "Make room, or choose another folder.",
            ) from error
        written += 1

    yield write


def _name_image(target: Path, number: int) -> Path:
    return target.with_name(target.name.replace("*", f"{number:06d}"))
