"""From a video to a video with depth beside it, reading, predicting and writing at once.

Memory does not grow with the video: some five batches of frames are at hand at most.
"""

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm.auto import tqdm

from depthlib.data.images import resize_rgb
from depthlib.plotting import DEPTH_COLOURS, shorten
from depthlib.prediction.geometry import Layout, join, split
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.pipeline import work_ahead
from depthlib.video.frames import Frames, open_frames, open_writer, protect_source
from depthlib.video.smoothing import SMOOTHING, TemporalFilter

FPS = 10.0  # of images and of cameras that do not say; KITTI's rate
ROWS = 480  # a larger photo is shrunk: beside its depth it would be wider than screens are
NEAREST = 1 / 20  # of the network's largest depth: where the colours begin
BAR = 84  # columns of the colour bar with its numbers
SKY = 153  # the grey of what is too far to tell, as in other figures
WIDE = 2  # a photo wider than this many times its height has its depth below, not beside it


@dataclass(frozen=True)
class VideoReport:
    """What was written and how fast; `own_rate` is the network's alone, in frames a second.

    That is timed for half a second before the video and after it; the better one counts.
    `flicker` is the mean |Δ ln depth| where the photo is still, before and after the filter.
    """

    frames: int
    announced: int | None
    seconds: float
    own_rate: float
    flicker: tuple[float, float]

    @property
    def rate(self) -> float:
        return self.frames / self.seconds

    def __str__(self) -> str:
        share = self.rate / self.own_rate
        lines = [
            f"{self.frames} frames in {self.seconds:.1f} s: {self.rate:.1f} frames/s, "
            f"{share:.0%} of the network's own {self.own_rate:.1f}.",
            "Flicker, mean |Δ ln depth| where the photo is still: "
            f"{self.flicker[0]:.4f} as predicted, {self.flicker[1]:.4f} as written.",
        ]
        if self.announced and self.frames < self.announced:
            lines.append(f"The source announced {self.announced} frames.")
        return "\n".join(lines)


class DepthView:
    """Draws a photo beside (a wide one: above) its depth, with a colour bar that never changes.

    Colours are even in ln depth between `limits`, so a step of colour is the same relative step
    anywhere. What is `far` or farther (sky, or too far to tell) is grey. The sizes are those of the
    photo's panel.
    """

    def __init__(
        self,
        height: int,
        width: int,
        limits: tuple[float, float],
        unit: str,
        far: float | None = None,
    ) -> None:
        if not 0 < limits[0] < limits[1]:
            raise ValueError(
                "`limits` must be the nearest and the farthest depth of the colours, above 0. "
                f"Received: limits={limits}. Use (0.5, 10) in a room."
            )
        self.height, self.width, self.far = height, width, far
        self.low, self.high = map(math.log, limits)
        colours = DEPTH_COLOURS(np.arange(256), bytes=True)[:, :3]
        self._colours = colours[:, None]
        wide = width > WIDE * height
        rows, columns = (2 * height, width) if wide else (height, 2 * width)
        # Video of 4:2:0 colour has even sides.
        shape = (rows + rows % 2, columns + columns % 2 + BAR, 3)
        self._canvas = np.full(shape, 255, np.uint8)
        self._photo = self._canvas[:height, :width]
        start = (height, 0) if wide else (0, width)
        self._depth = self._canvas[start[0] :, start[1] :][:height, :width]
        self._steps = np.empty((height, width), np.uint8)
        self._draw_bar(unit)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is drawn."""
        return self._canvas.shape[:2]

    def draw(self, photo: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """The picture, uint8 RGB; the next call draws over it.

        photo uint8 RGB (height, width, 3), depth above 0 of any size.
        """
        self._photo[:] = photo
        steps = (cv2.log(depth) - self.low) * (255 / (self.high - self.low))
        steps = np.rint(steps.clip(0, 255)).astype(np.uint8)
        cv2.resize(steps, (self.width, self.height), self._steps, interpolation=cv2.INTER_LINEAR)
        # OpenCV takes the table's colours as they come, so RGB stays RGB.
        cv2.applyColorMap(self._steps, self._colours, self._depth)
        if self.far is not None:
            sky = cv2.resize((depth >= self.far).view(np.uint8), self._depth.shape[1::-1])
            self._depth[sky > 0] = SKY
        return self._canvas

    def _draw_bar(self, unit: str) -> None:
        rows = self._canvas.shape[0]
        bar = self._canvas[:, -BAR:]
        top, bottom = 28, rows - 12
        shades = np.linspace(255, 0, max(bottom - top, 1)).round().astype(np.uint8)
        bar[top:bottom, 10:28] = self._colours[shades]
        _write(bar, shorten(unit), 10, 18)
        for depth in _find_ticks(self.low, self.high):
            share = (math.log(depth) - self.low) / (self.high - self.low)
            row = round(bottom - 1 - share * (bottom - 1 - top))
            cv2.line(bar, (28, row), (33, row), (0, 0, 0))
            _write(bar, f"{depth:g}", 37, row + 5)


def predict_video(
    predictor: DepthPredictor,
    source: Path | str | int,
    target: Path | str,
    smoothing: float = SMOOTHING,
    limits: tuple[float, float] | None = None,
    fps: float | None = None,
    count: int | None = None,
    focal: float | None = None,
    save: Callable[[int, np.ndarray, np.ndarray, Layout], None] | None = None,
) -> VideoReport:
    """Writes the video `source` with its depth, as `predictor` sees it: to the metres of photos.

    `source`, `target` and `smoothing` as in `open_frames`, `open_writer` and `TemporalFilter`;
    a target that would change the source is refused before anything opens. Sound is not kept.
    `limits` are the depths that the colours span through the whole video, by default from a
    twentieth of the network's largest depth. `fps` is by default the source's, else 10; a camera's
    is no more than the network keeps up with. `count` stops after so many frames. `focal` is the
    frames' focal length over their width, by default the predictor's. `save` gets each frame's
    number from 0, the frame, its filtered depth float32 (height, width) and its layout.
    An interrupt ends a camera's video; of any other the part stays and the interrupt goes on.
    Errors: theirs.
    """
    if count is not None and count < 1:
        raise ValueError(f"`count` must be at least 1. Received: count={count}. None is all.")
    filter_depth = TemporalFilter(smoothing)
    protect_source(source, target)
    frames = open_frames(source)
    layout = predictor.lay_out(frames.height, frames.width, focal)
    view = _make_view(limits, predictor, layout)
    # A camera's picture must not wait for others.
    size = 1 if frames.live else max(1, predictor.batch_size // layout.canvases)
    blank = np.zeros((size * layout.canvases, predictor.height, predictor.width, 3), np.uint8)
    own_rate = time_alone(predictor.predict_canvases, blank) / layout.canvases
    if fps is None:
        fps = min(frames.fps or FPS, own_rate if frames.live else math.inf)
    total = min((n for n in (frames.count, count) if n is not None), default=None)
    written, start = 0, time.perf_counter()
    read = work_ahead(_shrink(frames, count, view, layout), 2 * size)
    with (
        open_writer(target, fps, *view.size) as write,
        closing(work_ahead(_predict(predictor, read, size, layout), 2 * size)) as predicted,
        suppress(*[KeyboardInterrupt] * frames.live),
    ):
        for photo, panel, small, depth in tqdm(predicted, Path(target).name, total, unit="frame"):
            depth = filter_depth(small, depth)
            write(view.draw(panel, depth))
            if save is not None:
                save(written, photo, cv2.resize(depth, photo.shape[1::-1]), layout)
            written += 1
    seconds = time.perf_counter() - start
    own_rate = max(own_rate, time_alone(predictor.predict_canvases, blank) / layout.canvases)
    return VideoReport(written, total, seconds, own_rate, filter_depth.flicker)


def time_alone(
    predict: Callable[[Any], Any], photos: Sequence[np.ndarray] | np.ndarray, seconds: float = 0.5
) -> float:
    """Photos a second of what is called on the same batch of them again and again.

    It is that of the median call within `seconds`; the first, which compiles, does not count.
    """
    predict(photos)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        predict(photos)
        times.append(time.perf_counter() - start)
    return len(photos) / float(np.median(times))


def _make_view(
    limits: tuple[float, float] | None, predictor: DepthPredictor, layout: Layout
) -> DepthView:
    shrink = min(1, ROWS / layout.height)
    farthest = layout.view.max_depth * max(layout.factor, layout.sky_factor)
    limits = limits or (farthest * NEAREST, layout.far or farthest)
    height, width = (max(1, round(side * shrink)) for side in (layout.height, layout.width))
    return DepthView(height, width, limits, predictor.unit, layout.far)


def _shrink(
    frames: Frames, count: int | None, view: DepthView, layout: Layout
) -> Generator[tuple[np.ndarray, ...], None, None]:
    """Each photo as it is, at its panel's size, at the layout's, and what the network sees."""
    size = view.height, view.width
    for photo in islice(frames, count):
        panel = photo if photo.shape[:2] == size else resize_rgb(photo, *size)
        yield photo, panel, resize_rgb(photo, layout.rows, layout.columns), split(photo, layout)


def _predict(
    predictor: DepthPredictor, read: Generator[tuple[np.ndarray, ...]], size: int, layout: Layout
) -> Generator[tuple[np.ndarray, ...], None, None]:
    """Adds the depth; the last batch is filled up, since another size would be compiled anew."""
    with closing(read):
        while batch := list(islice(read, size)):
            seen = [canvases for *_, canvases in batch]
            depths = predictor.predict_canvases(
                np.concatenate(seen + seen[-1:] * (size - len(seen)))
            )
            parts = np.split(depths, size)
            for (photo, panel, small, _), part in zip(batch, parts, strict=False):
                yield photo, panel, small, join(part, layout, small.shape[:2])


def _find_ticks(low: float, high: float) -> list[float]:
    """The numbers 1, 2 and 5 times a power of ten whose logarithms lie between."""
    powers = range(math.floor(low / math.log(10)), math.ceil(high / math.log(10)) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if low - 1e-6 <= math.log(tick) <= high + 1e-6]


def _write(image: np.ndarray, text: str, column: int, row: int) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(image, text, (column, row), font, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
