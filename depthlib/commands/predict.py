"""Depth of photos and videos as files: what `depthlib predict` does."""

import errno
import os
import sys
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from depthlib.commands.shard_notes import Run, note_shard
from depthlib.commands.summary import BEGUN, Summary
from depthlib.data.decoding import MAX_PIXELS
from depthlib.data.images import read_rgb, read_size
from depthlib.data.inputs import find_files_in, locate
from depthlib.data.intrinsics import CameraCalibration, Intrinsics
from depthlib.data.lenses import FocalRequest, Lens, find_lens, say_notes
from depthlib.data.shards import Shard
from depthlib.files import (
    VIDEO,
    check_ours,
    content_of,
    name_in_note,
    note_files,
    remove_left_of,
)
from depthlib.prediction.geometry import Layout, check_focal, join, split
from depthlib.prediction.interface import DepthPredictor, find_confidence
from depthlib.prediction.known_distance import KnownDistance
from depthlib.prediction.outputs import FILE, LABEL, SHOWN, UNKNOWN, find_frames, find_media
from depthlib.prediction.photo import guess_camera, make_result
from depthlib.prediction.pipeline import Room, work_ahead
from depthlib.prediction.writers import WRITERS, DepthResult, is_ours, list_names, name_file

AHEAD = 2  # photos that are read, and photos that are written, while the network computes
WRITING = 2  # threads that write
ROOM = MAX_PIXELS  # pixels of all photos that are read and not yet written, but for a larger one
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass
class PredictReport:
    """What became of the photos and videos: written, left as they were, and failed with reasons.

    changed: those of `skipped` that were changed since, or their network. advice: what is said of
    those that are there already.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    advice: str = " (--overwrite writes them anew)"

    def describe_failed(self) -> dict[str, str]:
        """The reason of each that failed, by its path."""
        return {str(path): reason for path, reason in self.failed.items()}

    def __str__(self) -> str:
        lines = [f"{len(self.written)} written"]
        if self.skipped:
            lines[0] += f", {len(self.skipped)} there already{self.advice}"
        if self.changed:
            first = ", ".join(map(str, self.changed[:SHOWN]))
            more = len(self.changed) - SHOWN
            lines[0] += (
                f", {len(self.changed)} of them of another photo or network than is there now: "
                f"{first}"
                f"{f' and {more} more' if more > 0 else ''}"
            )
        if self.failed:
            lines[0] += f", {len(self.failed)} failed:"
            lines += [f"  {path}: {reason}" for path, reason in self.failed.items()]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A photo that is read and laid out."""

    path: Path
    source: str  # `note_files` of it, before it was read
    taken: int  # pixels of ROOM
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
    network: str = "",
    progress: bool = True,
    shard: Shard | None = None,
) -> PredictReport:
    """Predicts what `words` mean (`data.inputs`) and writes it to the folder `out`.

    lens: as `lenses.find_lens` takes it; a calibration undistorts too, and the files are then of
    the undistorted photo. save: names in `writers.WRITERS`. flip: average with the mirrored photo.
    known: sets the scale of the one photo. network: what the predictor is called; its file, of one
    that `zoo.open_network` has not opened.
    A file that is there already stays as it is unless `overwrite`, so that a run that was stopped
    goes on; that renews what earlier runs wrote, and nothing else. `out`/depth.csv has a row a
    photo: which files are of it (`summary.Summary`), and by what network and settings; the files of
    a photo are all made alike: beside those of a photo that was replaced since, nothing is written
    unless `overwrite`. What earlier runs wrote is not taken for photos.
    A video becomes a video, and a folder of files a frame for what else is saved; its frames that
    are there stay, too.
    shard: the part of the photos and videos that is predicted; `merge.merge_shards` does the rest.
    One photo at a time is in the network, a few before and behind it, of ROOM pixels together:
    memory does not grow with their number. A file that fails is noted, and the rest is done.
    Errors: those of `list_inputs`; ValueError for an unknown format, `known` of several photos, a
    focal length for a network that knows none, or where there are only files of earlier runs;
    those of `note_shard`; OSError where the disk is full.
    """
    out = Path(out)
    if not save or not set(save) <= WRITERS.keys():
        raise ValueError(
            f"`save` must be of {', '.join(WRITERS)}, one at least. Received: {list(save)}."
        )
    if isinstance(lens, FocalRequest) and lens.value:
        check_focal(lens.value if lens.unit == "share" else 1.0, predictor.view)
    if lens == FocalRequest("exif") and predictor.view.focal is None:
        lens = FocalRequest("none")  # which this network makes nothing of: none is asked for
    listing = find_media(words)
    if known is not None and (len(listing) != 1 or listing.split()[1]):
        photos, videos = listing.split()
        raise ValueError(
            f"A known distance must be of one photo. Received: {len(photos)} photos and "
            f"{len(videos)} videos. Give the one that it was measured in."
        )
    if known is not None and isinstance(lens, CameraCalibration) and lens.undistorts:
        raise ValueError(
            "A known distance must be measured in the photo that is predicted. Received: --known "
            f"with {lens.path}, which undistorts the photo. Leave one of them out, or predict the "
            "undistorted photo by itself."
        )
    if "confidence" in save and predictor.hidden:
        warnings.warn(
            f"{network} is the mean of {predictor.hidden} networks, which its ONNX file does not "
            "hold one by one: confidence is by the mirrored photo alone, and higher. Its .keras "
            "file has them.",
            stacklevel=2,
        )
    made = _describe_way(predictor.describe(network), lens, flip, known)
    made_of = note_files(
        predictor.path or network, lens.path if isinstance(lens, CameraCalibration) else ""
    )
    words_made = f"{made} --save {','.join(save)} of {content_of(made_of)}"
    run = Run("predict", words_made, listing.digest(), len(listing))
    report = PredictReport()
    with (
        note_shard(out, shard, run) as note,
        closing(Summary(out, shard)) as summary,
    ):
        names = summary.name_outputs(listing.paths, listing.choose(shard))
        sources = find_files_in(out, listing.paths)
        folder = _Folder(out, names, sources, summary, save, overwrite, made, made_of)
        samples = _make_samples(predictor, known)
        photos, videos = listing.split(shard)
        waiting = [path for path in photos if folder.wants_photo(path, samples, report)]
        room = Room(ROOM)
        jobs = _Jobs(report, tqdm(None, network, len(waiting), unit="photo", disable=not progress))
        with (
            jobs.bar,
            ThreadPoolExecutor(WRITING) as pool,
            closing(work_ahead(_read(predictor, waiting, lens, room), AHEAD)) as seen,
            closing(room),  # before what may wait for it ends
            say_notes(partial(tqdm.write, file=sys.stderr)) as say,
        ):
            for one in seen:
                if isinstance(one, _Failed):
                    jobs.fail(one.path, one.reason)
                    continue
                say(one.path, one.lens)
                depth, looks = _look(predictor, one.canvases, flip, "confidence" in save)
                jobs.wait_for(AHEAD)
                job = pool.submit(_write, predictor, one, depth, looks, folder, known)
                room.give_after(job, one.taken)
                jobs.add(one.path, job)
                del one  # so that memory has room too
            jobs.wait_for(0)
        for path in videos:
            _predict_video(predictor, path, folder, lens, flip, report)
        if shard is None:  # other shards may be writing; `merge.merge_shards` does it after them
            remove_half_written(out, names.values(), (names[path] for path in videos))
        note.problems = report.describe_failed()
    return report


def remove_half_written(out: Path, names: Iterable[str], videos: Iterable[str]) -> None:
    """Removes what killed runs left half written of files that are there by now.

    names: how the files in `out` begin; videos: those of videos, whose frames lie in folders.
    """
    stems, ends = set(names), [*list_names("", WRITERS), "_depth.mp4", "_depth.avi"]
    remove_left_of(
        out, lambda name: name == FILE or any(name.removesuffix(end) in stems for end in ends)
    )
    for name in videos:
        remove_left_of(out / name, lambda name: True)


@dataclass(frozen=True, eq=False)
class _Folder:
    """Where files go, how those of each photo begin, and which are to be written.

    sources: where photos and videos of the run lie in `out`. made: the network and its settings;
    made_of: `note_files` of their files.
    """

    out: Path
    names: dict[Path, str]
    sources: set[str]
    summary: Summary
    save: Sequence[str]
    overwrite: bool
    made: str
    made_of: str

    def list_files(self, path: Path, result: DepthResult) -> dict[str, Path]:
        """The file of each format that is to be saved of a photo."""
        return {kind: self.out / name_file(kind, self.names[path], result) for kind in self.save}

    def wants_photo(
        self, path: Path, samples: Sequence[DepthResult], report: PredictReport
    ) -> bool:
        """`is_wanted` of a photo. samples: of each scale that its files may have."""
        possible = [self.list_files(path, sample) for sample in samples]
        files = [file for one in possible for file in one.items()]
        complete = [list(one.values()) for one in possible]
        return self.is_wanted(path, files, self.list_stale(path), complete, report)

    def wants_video(
        self, path: Path, target: Path, count: int, ends: tuple[str, ...], report: PredictReport
    ) -> bool:
        """`is_wanted` of a video. ends: what the names of its frames' files, `count`, end in."""
        frames_in = self.out / self.names[path]
        frames = find_frames(frames_in).items()
        files = [("colour", target)]
        files += [(kind, file) for file, kind in frames if file.name.endswith(ends)]
        if path not in self.summary and any(frames_in.glob("*")):
            files.append(("anything", frames_in))
        stale = self.list_stale_frames(path)
        stale += [("colour", target)] if self.find_stale(path) and target.exists() else []
        numbers = range(max(count, 1))
        complete = [target, *(frames_in / f"{n:06d}{end}" for n in numbers for end in ends)]
        is_begun = self.find_begun(path) & {"colour", *self.save}
        return self.is_wanted(path, files, stale, [] if is_begun else [complete], report)

    def is_wanted(
        self,
        path: Path,
        files: Sequence[tuple[str, Path]],
        stale: Sequence[tuple[str, Path]],
        complete: Sequence[Sequence[Path]],
        report: PredictReport,
    ) -> bool:
        """Whether a photo or video is to be predicted; else the report says why not.

        files: those that may be written, each with its format. stale: those that are there, each
        with its format, of another photo, network or way: beside them nothing is written, so that
        all files of a photo are alike. complete: lists of files, one of which is all that is asked
        for.
        """
        if reason := self.find_obstacle(path, files, stale):
            report.failed[path] = reason
        elif not self.overwrite and (
            stale or any(all(file.exists() for file in one) for one in complete)
        ):
            report.skipped.append(path)
            report.changed += [path] * bool(stale)
        else:
            return True
        return False

    def find_saved(self, path: Path) -> set[str]:
        """The formats in which files of a photo or video are there, of earlier runs."""
        saved = self.summary.find_saved(path)
        words = WRITERS if saved == UNKNOWN else saved.split()
        return {word for word in words if not word.startswith(BEGUN)}

    def find_begun(self, path: Path) -> set[str]:
        """Those formats of a video's that a run was to write which was stopped; no stale ones."""
        words = self.summary.find_saved(path).split() if not self.find_stale(path) else []
        return {word.removeprefix(BEGUN) for word in words if word.startswith(BEGUN)}

    def find_stale(self, path: Path) -> set[str]:
        """Those formats whose files are of another way, or of another photo or network than now."""
        other = self.summary.find_other(path, self.made)
        is_stale = other or self.summary.is_changed(path, self.made_of)
        return self.find_saved(path) if is_stale else set()

    def list_stale(self, path: Path) -> list[tuple[str, Path]]:
        """The files of a photo that are there in those formats, in any scale, each with its own."""
        kinds = sorted(self.find_stale(path) & WRITERS.keys())
        names = [(kind, list_names(self.names[path], [kind])) for kind in kinds]
        files = [(kind, self.out / name) for kind, several in names for name in sorted(several)]
        # Not Path.exists: a name may be too long.
        return [(kind, file) for kind, file in files if os.path.exists(file)]  # noqa: PTH110

    def list_stale_frames(self, path: Path) -> list[tuple[str, Path]]:
        """The same of a video's frames."""
        stale, frames = self.find_stale(path), find_frames(self.out / self.names[path])
        return [(kind, file) for file, kind in frames.items() if kind in stale]

    def name_saved(self, path: Path, kinds: Iterable[str]) -> str:
        """The formats in which its files are there once `kinds` are; stale ones are not its own."""
        before = self.find_saved(path) - self.find_stale(path)
        return " ".join(kind for kind in WRITERS if kind in before.union(kinds))

    def find_obstacle(
        self,
        path: Path,
        files: Sequence[tuple[str, Path]],
        stale: Sequence[tuple[str, Path]],
    ) -> str:
        """Why `files` of a photo or video must not be written; "" where they may, and `stale` go.

        Arguments as in `is_wanted`.
        """
        if self.summary.find_saved(path) == LABEL:
            return f"it is labelled in {self.out}, by `depthlib label`. Use another folder"
        other = self.summary.find_other(path, self.made)
        if other and not self.overwrite:
            return (
                f"its files in {self.out} were made by {other}, not by {self.made}. Use another "
                "folder, or --overwrite"
            )
        saved = self.find_saved(path)
        for kind, file in files:
            if str(locate(file)) in self.sources:
                return f"{file} is to be predicted itself, so it is not written. Use another folder"
            try:
                is_there = file.exists()
            except OSError as error:  # its name is too long, by what is added to the photo's
                return f"{file} cannot be written: {error.strerror}. Rename the photo"
            if is_there and kind not in saved:
                return (
                    f"{file} is there, and {self.summary.path} does not say that it is of this "
                    "photo. Use another folder, or move the file"
                )
        for _, file in [*stale, *files] if self.overwrite else ():
            if file.exists() and not is_ours(file):
                return f"{file} is not as depthlib wrote it. Use another folder, or move the file"
        renewed = {*self.save, *(kind for kind, _ in files)}  # of a video the film, always
        if self.overwrite and (lost := sorted({kind for kind, _ in stale} - renewed)):
            return (
                f"its files in {self.out} are also in formats that would go and not be made anew: "
                f"{', '.join(lost)}. Add them to --save, or use another folder"
            )
        return ""


@dataclass(frozen=True, eq=False)
class _Jobs:
    """Photos whose files are being written."""

    report: PredictReport
    bar: tqdm
    waiting: deque[tuple[Path, Future[None]]] = field(default_factory=deque)

    def add(self, path: Path, job: Future[None]) -> None:
        self.waiting.append((path, job))

    def fail(self, path: Path, reason: str) -> None:
        self.report.failed[path] = reason
        self.bar.update()

    def wait_for(self, most: int) -> None:
        """Waits until at most so many are left. Errors: OSError where the disk is full."""
        while len(self.waiting) > most:
            path, job = self.waiting.popleft()
            try:
                job.result()
            except (OSError, ValueError) as error:
                self.fail(path, describe_error(error))
            else:
                self.report.written.append(path)
                self.bar.update()


def describe_error(error: OSError | ValueError) -> str:
    """What went wrong with one file. Errors: OSError where it is that the disk is full."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in FULL:
        raise OSError(
            f"The disk must have room. Received: {error.strerror}: {error.filename}. Make room; "
            "the same command goes on."
        ) from error
    return error.strerror or str(error)


def _read(
    predictor: DepthPredictor,
    paths: Sequence[Path],
    request: FocalRequest | CameraCalibration,
    room: Room,
) -> Generator[_Seen | _Failed, None, None]:
    for path in paths:
        taken = 0
        try:
            check_file(path)
            height, width = read_size(path)
            taken = room.take(height * width)
            yield _see(predictor, path, taken, request)
        except (OSError, ValueError) as error:
            room.give(taken)
            yield _Failed(path, describe_error(error))


def _see(
    predictor: DepthPredictor, path: Path, taken: int, request: FocalRequest | CameraCalibration
) -> _Seen:
    source = note_files(path)
    rgb, lens = read_rgb(path), find_lens(path, request)
    camera = None
    if isinstance(request, CameraCalibration):
        rgb, camera = request.undistort(rgb)
        lens = replace(lens, focal=camera.focal)
        if request.undistorts:
            lens = replace(lens, source="undistorted")
    height, width = rgb.shape[:2]
    layout = predictor.lay_out(height, width, _choose_focal(predictor, lens))
    camera = camera or guess_camera(layout)
    return _Seen(path, source, taken, rgb, lens, camera, layout, split(rgb, layout))


def check_file(path: Path) -> None:
    """Accepts a file; reading a pipe would wait for ever. Errors: OSError, ValueError."""
    if path.is_dir():
        raise IsADirectoryError(f"A photo must be a file. Received: the folder {path}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"A photo must be a file. Received: {path}, a pipe or a device.")


def _choose_focal(predictor: DepthPredictor, lens: Lens) -> float | None:
    """The focal length that decides about metres; None for a network that knows no lens."""
    given = lens.source == "given"
    return lens.focal if given or predictor.view.focal is not None else None


def _look(
    predictor: DepthPredictor, canvases: np.ndarray, flip: bool, confidence: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The depth of the canvases, and the looks at them whose spread tells how sure it is."""
    if not confidence:
        return predictor.predict_canvases(canvases, flip), []
    looks = [
        predictor.predict_canvases(canvases),
        predictor.predict_canvases(canvases[:, :, ::-1])[:, :, ::-1],
    ]
    depth = (looks[0] + looks[1]) / 2 if flip else looks[0]
    return depth, looks + [member.predict_canvases(canvases) for member in predictor.members]


def _write(
    predictor: DepthPredictor,
    seen: _Seen,
    depth: np.ndarray,
    looks: list[np.ndarray],
    folder: _Folder,
    known: KnownDistance | None,
) -> None:
    """Writes the row and the files of one photo; one that cannot be does not stop the others."""
    result = _make_result(predictor, seen, depth, looks, known)
    for _, file in folder.list_stale(seen.path):
        file.unlink(missing_ok=True)
    row = _describe(folder.names[seen.path], seen, result)
    row |= {"made": folder.made, "saved": folder.name_saved(seen.path, folder.save)}
    row |= {"source": f"{seen.source} {folder.made_of}"}
    folder.summary.add(seen.path, row)
    problems = []
    for kind, file in folder.list_files(seen.path, result).items():
        if not file.exists() or folder.overwrite:
            try:
                WRITERS[kind](file, result)
            except ValueError as error:
                problems.append(str(error))
    if problems:
        raise ValueError(" ".join(problems))


def _describe_way(
    network: str,
    lens: FocalRequest | CameraCalibration,
    flip: bool,
    known: KnownDistance | None,
) -> str:
    """The network and the settings that decide about depth, as a user says them."""
    if isinstance(lens, CameraCalibration):
        words = [network, f"--camera {name_in_note(str(lens.path))}"]
    else:
        words = [network, f"--focal {lens}"]
    if known:
        ends = ",".join(f"{number:g}" for number in (*known.first, *known.second))
        words.append(f"--known {ends}={known.metres:g}")
    return " ".join([*words, *["--flip"] * flip]).strip()


def _describe(name: str, seen: _Seen, result: DepthResult) -> dict[str, object]:
    """A photo's row of the table."""
    depth = result.leave_out_sky()
    known = depth > 0
    ends = [0.0, 0.0, 0.0]
    if known.any():
        every = 1 + np.count_nonzero(known) // 250_000  # pixel for the median tells it as well
        median = np.median(depth[known][::every])
        ends = [depth.min(where=known, initial=np.inf), median, depth.max()]
    nearest, median, farthest = (f"{end:.4g}" for end in ends)
    return {
        "name": name,
        "height": seen.layout.height,
        "width": seen.layout.width,
        "focal": _write_focal(seen.layout),
        "focal_from": seen.lens.source,
        "nearest": nearest,
        "median": median,
        "farthest": farthest,
        "sky": f"{np.mean(result.sky) if result.sky is not None else 0:.3f}",
    }


def _write_focal(layout: Layout) -> str:
    return f"{layout.focal:.4g}" if layout.focal else ""


def _make_result(
    predictor: DepthPredictor,
    seen: _Seen,
    depth: np.ndarray,
    looks: list[np.ndarray],
    known: KnownDistance | None,
) -> DepthResult:
    result = make_result(
        predictor, seen.rgb, join(depth, seen.layout), seen.layout, seen.path, seen.camera
    )
    if looks:
        depths = [np.log(np.maximum(join(look, seen.layout), 1e-6)) for look in looks]
        result = replace(result, confidence=find_confidence(depths))
    if known is None:
        return result
    scale = known.find_scale(result.leave_out_sky(), seen.camera)
    return replace(
        result,
        depth_m=result.depth_m * np.float32(scale),
        far=result.far * scale,
        max_depth=None,  # the one photo's own decides its encoding
        unit=_unit(predictor, known),
    )


def _unit(predictor: DepthPredictor, known: KnownDistance | None) -> str:
    """A known distance makes metres of depth up to a scale."""
    return "metre" if known else predictor.unit


def _make_samples(predictor: DepthPredictor, known: KnownDistance | None) -> list[DepthResult]:
    """Results of one pixel, for all names that files may have which are not written yet."""
    pixel = np.ones((1, 1, 3), np.uint8), np.ones((1, 1), np.float32)
    camera = Intrinsics(1, 1, 0, 0, width=1, height=1)
    ranges = [predictor.view.max_depth] if known is None else [1.0, 100.0]
    unit = _unit(predictor, known)
    return [DepthResult(*pixel, np.inf, camera, farthest, unit) for farthest in ranges]


def _predict_video(
    predictor: DepthPredictor,
    path: Path,
    folder: _Folder,
    request: FocalRequest | CameraCalibration,
    flip: bool,
    report: PredictReport,
) -> None:
    # Here: they import matplotlib, which photos do not need.
    from depthlib.video.frames import WHOLE, count_frames, find_parts, open_frames
    from depthlib.video.render import predict_video

    name = folder.names[path]
    target = folder.out / f"{name}_depth{'.mp4' if find_spec('imageio_ffmpeg') else '.avi'}"
    kinds = [kind for kind in folder.save if kind != "colour"]
    frames_in, (sample,) = folder.out / name, _make_samples(predictor, None)
    ends = tuple(name_file(kind, "", sample) for kind in kinds)
    if not folder.wants_video(path, target, count_frames(target), ends, report):
        return

    def save_frame(number: int, frame: np.ndarray, depth: np.ndarray, layout: Layout) -> None:
        result = make_result(predictor, frame, depth, layout, path)
        for kind in kinds:
            file = frames_in / name_file(kind, f"{number:06d}", result)
            if folder.overwrite or not file.exists():
                WRITERS[kind](file, result)

    try:
        check_file(path)
        check_ours(target, kind=VIDEO)
        if isinstance(request, CameraCalibration) or "confidence" in kinds or flip:
            raise ValueError(
                "A calibration, confidence and --flip must be of photos: a video has none of them. "
                f"Received: {path}. Give its focal length instead, and leave the others out."
            )
        source = note_files(path)
        frames = open_frames(path)
        lens = find_lens((frames.height, frames.width), request)
        if lens.note:
            tqdm.write(f"{path}: {lens.note}", file=sys.stderr)
        focal = _choose_focal(predictor, lens)
        layout = predictor.lay_out(frames.height, frames.width, focal)
        shape = {"height": frames.height, "width": frames.width}
        shown = {"focal": _write_focal(layout), "focal_from": lens.source}
        shown |= {"made": folder.made, "source": f"{source} {folder.made_of}"}
        asked, begun = {"colour", *kinds}, folder.find_begun(path)
        saved = folder.name_saved(path, asked)
        parts = find_parts(target) if path in folder.summary else []
        frames_left = [file for _, file in folder.list_stale_frames(path)]
        for file in [*parts, *frames_left]:  # the film stays until it is renewed
            file.unlink(missing_ok=True)

        def note(begun: set[str]) -> None:
            words = [saved, *sorted(f"{BEGUN}{kind}" for kind in begun)]
            folder.summary.add(path, {"name": name, **shape, **shown, "saved": " ".join(words)})

        note(begun | asked)
        said = predict_video(
            predictor, path, target, focal=focal, save=save_frame if kinds else None
        )
        note(begun - asked)
        print(f"{target}: {said}")
        if said.announced and said.frames < WHOLE * said.announced:
            missing = said.announced - said.frames
            report.failed[path] = f"ends here, {missing} frames too early"
        else:
            report.written.append(path)
    except (OSError, ValueError) as error:
        report.failed[path] = describe_error(error)
