"""Depth of photos and videos as files: what `depthlib predict` does."""

import csv
import errno
import io
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from depthlib.data.images import read_rgb
from depthlib.data.inputs import find_inputs
from depthlib.data.intrinsics import CameraCalibration, Intrinsics
from depthlib.data.lenses import FocalRequest, Lens, find_lens
from depthlib.files import write_bytes
from depthlib.prediction.geometry import Layout, join, split
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.pipeline import work_ahead
from depthlib.prediction.writers import WRITERS, DepthResult, name_file

AHEAD = 2  # photos that are read, and photos that are written, while the network computes
SUMMARY = "depth.csv"
COLUMNS = (
    "photo", "height", "width", "focal", "focal_from", "nearest", "median", "farthest", "sky",
)  # fmt: skip
SUMMARY_SECONDS = 5.0  # between two writings of the summary; a killed run repeats as much
SPREAD = 0.1  # of ln depth: where two looks differ by so much, confidence is exp(-1)
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True)
class KnownDistance:
    """A distance that was measured between what two pixels (column, row) show, metres."""

    first: tuple[float, float]
    second: tuple[float, float]
    metres: float

    @classmethod
    def parse(cls, text: str) -> "KnownDistance":
        """From "X1,Y1,X2,Y2=METRES". Errors: ValueError for other words."""
        pixels, equals, metres = text.partition("=")
        try:
            x1, y1, x2, y2 = (float(part) for part in pixels.split(","))
            known = cls((x1, y1), (x2, y2), float(metres))
        except ValueError:
            known = None
        if not equals or known is None or not 0 < known.metres < 1000:
            raise ValueError(
                "A known distance must be X1,Y1,X2,Y2=METRES, two pixels and the metres between "
                f"what they show. Received: {text!r}. Use 100,200,300,200=1.5, say."
            )
        return known

    def find_scale(self, depth_m: np.ndarray, camera: Intrinsics) -> float:
        """What depth float32 (height, width) is multiplied by, so that the distance is right.

        Errors: ValueError for pixels outside of the photo, without depth, or one and the same.
        """
        ends = [self._find_point(*pixel, depth_m, camera) for pixel in (self.first, self.second)]
        distance = float(np.linalg.norm(ends[0] - ends[1]))
        if not distance > 0:
            raise ValueError(
                f"A known distance must be between two places. Received: {self.first} twice."
            )
        return self.metres / distance

    def _find_point(
        self, column: float, row: float, depth_m: np.ndarray, camera: Intrinsics
    ) -> np.ndarray:
        height, width = depth_m.shape
        if not (0 <= column < width and 0 <= row < height):
            raise ValueError(
                f"A known distance must be between pixels of the photo, {width} wide and {height} "
                f"high. Received: {column:g},{row:g}."
            )
        around = depth_m[max(0, int(row) - 1) :, max(0, int(column) - 1) :][:3, :3]
        if not (around > 0).any():
            raise ValueError(
                "A known distance must be between pixels that have depth. Received: "
                f"{column:g},{row:g}, which is sky or too far to tell."
            )
        depth = float(np.median(around[around > 0]))
        return depth * np.array(
            [(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1.0]
        )


@dataclass
class PredictReport:
    """What became of the photos and videos: written, left as they were, and failed with reasons."""

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.written)} written"]
        if self.skipped:
            lines[0] += f", {len(self.skipped)} there already (--overwrite writes them anew)"
        if self.failed:
            lines[0] += f", {len(self.failed)} failed:"
            lines += [f"  {path}: {reason}" for path, reason in self.failed.items()]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A photo that is read and laid out."""

    path: Path
    stem: str
    rgb: np.ndarray
    lens: Lens
    camera: Intrinsics
    layout: Layout
    canvases: np.ndarray


@dataclass(frozen=True)
class _Failed:
    path: Path
    reason: str


def predict_files(
    predictor: DepthPredictor,
    words: Sequence[Path | str],
    out: Path | str,
    *,
    lens: FocalRequest | CameraCalibration,
    save: Sequence[str] = ("png16", "colour"),
    flip: bool = False,
    known: KnownDistance | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> PredictReport:
    """Predicts what `words` mean (`data.inputs`) and writes it to the folder `out`.

    lens: as `lenses.find_lens` takes it; a calibration undistorts too, and the files are then of
    the undistorted photo. save: names in `writers.WRITERS`. flip: average with the mirrored photo.
    known: sets the scale of the one photo. Photos whose files are all there are left as they are
    unless `overwrite`, so that a run that was stopped goes on. `out`/depth.csv has a row a photo.
    A video becomes a video, and a folder of files a frame for what else is saved.
    One photo at a time is in the network, one or two before and behind it: memory does not grow
    with their number. A file that fails is noted, and the rest is done.
    Errors: those of `find_inputs`; ValueError for an unknown format, or `known` of several photos;
    OSError where the disk is full.
    """
    out = Path(out)
    for kind in save:
        if kind not in WRITERS:
            raise ValueError(
                f"`save` must be of {', '.join(WRITERS)}. Received: {kind!r} in {list(save)}."
            )
    photos, videos = find_inputs(words)
    if known is not None and (len(photos) != 1 or videos):
        raise ValueError(
            f"A known distance must be of one photo. Received: {len(photos)} photos and "
            f"{len(videos)} videos. Give the one that it was measured in."
        )
    report = PredictReport()
    stems = _name_outputs(photos)
    waiting = []
    for path in photos:
        names = [name_file(kind, stems[path], _shape_of(predictor)) for kind in save]
        done = all((out / name).exists() for name in names)
        if done and not overwrite:
            report.skipped.append(path)
        else:
            waiting.append(path)
    summary = _Summary(out / SUMMARY)
    try:
        with (
            tqdm(total=len(waiting), unit="photo", disable=not progress) as bar,
            ThreadPoolExecutor(1) as pool,
            closing(work_ahead(_read(predictor, waiting, stems, lens), AHEAD)) as seen,
        ):
            writing: list[tuple[Path, Future[dict]]] = []
            for one in seen:
                if isinstance(one, _Seen) and one.lens.note:
                    tqdm.write(one.lens.note, file=sys.stderr)
                if isinstance(one, _Failed):
                    report.failed[one.path] = one.reason
                    bar.update()
                    continue
                looks = _look(predictor, one.canvases, flip, "confidence" in save)
                job = pool.submit(_write, predictor, one, looks, out, save, known)
                writing.append((one.path, job))
                while len(writing) > AHEAD:
                    _finish(writing, report, summary)
                    bar.update()
            while writing:
                _finish(writing, report, summary)
                bar.update()
    finally:
        summary.write()
    for path in videos:
        _predict_video(predictor, path, out, lens, save, overwrite, report)
    return report


def _finish(
    writing: list[tuple[Path, Future[dict]]], report: PredictReport, summary: "_Summary"
) -> None:
    """Waits for the first of the jobs and notes what became of it."""
    path, job = writing.pop(0)
    try:
        summary.add(job.result())
        report.written.append(path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        report.failed[path] = str(error)


def _read(
    predictor: DepthPredictor,
    paths: Sequence[Path],
    stems: dict[Path, str],
    request: FocalRequest | CameraCalibration,
) -> Generator[_Seen | _Failed, None, None]:
    for path in paths:
        try:
            lens, rgb = find_lens(path, request), read_rgb(path)
            focal = lens.focal
            if isinstance(request, CameraCalibration):
                rgb, camera = request.undistort(rgb)
                focal = camera.focal
            layout = predictor.lay_out(rgb.shape[0], rgb.shape[1], focal)
            if not isinstance(request, CameraCalibration):
                camera = _guess_camera(layout)
            yield _Seen(path, stems[path], rgb, lens, camera, layout, split(rgb, layout))
        except (OSError, ValueError) as error:
            yield _Failed(path, str(error))


def _guess_camera(layout: Layout) -> Intrinsics:
    """A pinhole camera of the layout's focal length with its axis through the photo's middle."""
    focal = (layout.focal or 1.0) * layout.width
    middle = (layout.width - 1) / 2, (layout.height - 1) / 2
    return Intrinsics(focal, focal, *middle, width=layout.width, height=layout.height)


def _look(
    predictor: DepthPredictor, canvases: np.ndarray, flip: bool, confidence: bool
) -> list[np.ndarray]:
    """The depth of the canvases, by one look or more; the mean of the first ones is the depth."""
    looks = [predictor.predict_canvases(canvases)]
    if flip or confidence:
        looks.append(predictor.predict_canvases(canvases[:, :, ::-1])[:, :, ::-1])
    if confidence:
        looks += [member.predict_canvases(canvases) for member in predictor.members]
    return looks if confidence or not flip else [(looks[0] + looks[1]) / 2]


def _write(
    predictor: DepthPredictor,
    seen: _Seen,
    looks: list[np.ndarray],
    out: Path,
    save: Sequence[str],
    known: KnownDistance | None,
) -> dict:
    """Writes the files of one photo; gives its row of the summary."""
    result = _make_result(predictor, seen, looks, known)
    for kind in save:
        WRITERS[kind](out / name_file(kind, seen.stem, result), result)
    depth = result.leave_out_sky()
    inside = depth[depth > 0]
    ends = np.percentile(inside, (0, 50, 100)) if inside.size else (0.0, 0.0, 0.0)
    return {
        "photo": str(seen.path),
        "height": seen.layout.height,
        "width": seen.layout.width,
        "focal": f"{seen.layout.focal:.4g}" if seen.layout.focal else "",
        "focal_from": seen.lens.source,
        **{name: f"{end:.4g}" for name, end in zip(COLUMNS[5:8], ends, strict=True)},
        "sky": f"{np.mean(result.sky) if result.sky is not None else 0:.3f}",
    }


def _make_result(
    predictor: DepthPredictor, seen: _Seen, looks: list[np.ndarray], known: KnownDistance | None
) -> DepthResult:
    layout = seen.layout
    depth = join(looks[0] if len(looks) == 1 else (looks[0] + looks[1]) / 2, layout)
    far, confidence, sky = np.inf, None, None
    if layout.far is not None:
        far, sky = layout.far, depth >= layout.far
    if len(looks) > 1:
        spread = np.std([np.log(np.maximum(join(look, layout), 1e-6)) for look in looks], axis=0)
        confidence = np.exp(-spread / SPREAD)
    if known is not None:
        inside = depth if sky is None else np.where(sky, 0, depth)
        depth = depth * np.float32(known.find_scale(inside, seen.camera))
    return DepthResult(
        photo=seen.rgb,
        depth_m=depth,
        far=far,
        intrinsics=seen.camera,
        max_depth=_largest(predictor),
        unit=predictor.unit,
        sky=sky,
        confidence=confidence,
        source=seen.path,
    )


def _largest(predictor: DepthPredictor) -> float:
    """The depth that decides the encoding of a whole folder, whatever its photos' lenses are.

    Rooms end below 65 m through any lens that is used in them, so they are in millimetres.
    """
    return predictor.view.max_depth


def _shape_of(predictor: DepthPredictor) -> DepthResult:
    """A result of one pixel, for the names of files that are not written yet."""
    pixel = np.ones((1, 1, 3), np.uint8), np.ones((1, 1), np.float32)
    camera = Intrinsics(1, 1, 0, 0, width=1, height=1)
    return DepthResult(*pixel, np.inf, camera, _largest(predictor), predictor.unit)


def _name_outputs(photos: Sequence[Path]) -> dict[Path, str]:
    """What each photo's files are called, without suffix: longer where two would be alike."""
    own = Counter(path.stem for path in photos)
    whole = Counter(path.name for path in photos)
    stems = {}
    for path in photos:
        stem = path.stem
        if own[stem] > 1:
            stem = path.name.replace(".", "_")
        if whole[path.name] > 1:
            stem = f"{path.resolve().parent.name}_{stem}"
        stems[path] = stem
    taken = Counter(stems.values())
    for stem, count in taken.items():
        if count > 1:
            alike = [str(path) for path, name in stems.items() if name == stem]
            raise ValueError(
                f"Photos of one run must have names of their own. Received: {', '.join(alike)}. "
                "Predict them into two folders."
            )
    return stems


def _predict_video(
    predictor: DepthPredictor,
    path: Path,
    out: Path,
    request: FocalRequest | CameraCalibration,
    save: Sequence[str],
    overwrite: bool,
    report: PredictReport,
) -> None:
    # Here: they import matplotlib, which photos do not need.
    from depthlib.video.frames import open_frames
    from depthlib.video.render import predict_video

    target = out / f"{path.stem}_depth{'.mp4' if find_spec('imageio_ffmpeg') else '.avi'}"
    if target.exists() and not overwrite:
        report.skipped.append(path)
        return
    kinds = [kind for kind in save if kind not in ("colour", "confidence")]

    def save_frame(number: int, frame: np.ndarray, depth: np.ndarray, layout: Layout) -> None:
        sky = depth >= layout.far if layout.far is not None else None
        far = layout.far if layout.far is not None else np.inf
        camera = _guess_camera(layout)
        result = DepthResult(
            frame, depth, far, camera, _largest(predictor), predictor.unit, sky, source=path
        )
        for kind in kinds:
            WRITERS[kind](out / path.stem / name_file(kind, f"{number:06d}", result), result)

    try:
        if isinstance(request, CameraCalibration):
            raise ValueError(
                "A calibration must be of photos: frames are not undistorted. Received: a video, "
                f"{path}. Give its focal length instead."
            )
        frames = open_frames(path)
        focal = find_lens((frames.height, frames.width), request).focal
        said = predict_video(
            predictor, path, target, focal=focal, save=save_frame if kinds else None
        )
        print(f"{target}: {said}")
        report.written.append(path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        report.failed[path] = str(error)


class _Summary:
    """The table of a folder: a row a photo, those of earlier runs too."""

    def __init__(self, path: Path) -> None:
        self.path, self.changed, self.time = path, False, time.monotonic()
        self.rows: dict[str, dict] = {}
        if path.exists():
            try:
                with path.open(newline="", encoding="utf-8") as file:
                    self.rows = {row["photo"]: row for row in csv.DictReader(file)}
            except (KeyError, UnicodeDecodeError, csv.Error) as error:
                raise ValueError(
                    f"{path} must be the table of an earlier run. Received: another file "
                    f"({error!r}). Choose another folder, or move it."
                ) from error

    def add(self, row: dict) -> None:
        self.rows[row["photo"]], self.changed = row, True
        if time.monotonic() > self.time + SUMMARY_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes the table atomically, where it has changed."""
        if not self.changed:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows.values())
        write_bytes(self.path, text.getvalue().encode())
        self.changed, self.time = False, time.monotonic()
