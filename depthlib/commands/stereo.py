"""What `depthlib stereo` does: a rig from photos of a board, a dataset from a rig's photos."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib import plotting
from depthlib.commands.scene_folder import (
    SceneFolder,
    name_dataset,
    name_scene,
    place_sides,
    refuse_among,
)
from depthlib.commands.shard_notes import Note, Run, note_shard
from depthlib.commands.stereo_pairs import Read, check_sides, find_readable, open_pairs
from depthlib.data import stereo
from depthlib.data.cache import count_threads
from depthlib.data.dataset_file import (
    NAME,
    make_spec,
    read_dataset_file,
    refuse_another,
    write_dataset_file,
)
from depthlib.data.images import read_rgb, read_text, write_depth, write_grey, write_rgb
from depthlib.data.pairs import Pairs, check_pairs, find_pairs, write_csv
from depthlib.data.shards import Shard
from depthlib.data.specs import DatasetSpec
from depthlib.files import (
    FIGURE,
    RIG,
    are_noted,
    check_ours,
    check_suffix,
    hold_lock,
    note_files,
    remove_left,
    remove_left_of,
)
from depthlib.prediction.outputs import find_media
from depthlib.video.frames import WHOLE

CSV, SETTINGS, SHEET = "stereo.csv", "stereo.json", "stereo.png"
_QUALITY = 95  # of the JPEG photos
_COUNT = 1 / 256  # metres: as KITTI's depth maps have it
_FARTHEST = 65535 * _COUNT
_SHOWN = 5  # pairs in the picture sheet
_PHOTOS = "photos"  # the text in a depth map that notes of which it is


@dataclass(frozen=True)
class MatchReport:
    """What was matched: pairs that are in the CSV, those that have a problem, the CSV's path."""

    pairs: Pairs
    problems: pd.DataFrame
    csv: Path

    def __str__(self) -> str:
        problems = "".join(f"\n{row.file}: {row.problem}" for row in self.problems.itertuples())
        return f"{self.csv}: {len(self.pairs)} pairs{problems}"


def calibrate(
    left: str, right: str, board: stereo.Board, out: Path, figure: Path | None = None
) -> stereo.Calibration:
    """Calibrates a rig by photos of `board`, a folder or a pattern each; writes it and a picture.

    figure: by default `out` with the suffix .png. Errors: those of `calibrate_photos`,
    `find_media` and `write_rig`; ValueError for files that would lie among the photos; those of
    `files.check_ours`, for both.
    """
    figure = figure or out.with_suffix(".png")
    check_suffix(out, *stereo.SUFFIXES)
    check_suffix(figure, ".png", ".jpg", ".pdf", ".svg")
    check_ours(out, kind=RIG)
    check_ours(figure, kind=FIGURE)
    photos = _find_photos(left), _find_photos(right)
    for path in (out, figure):
        refuse_among(path.parent, photos)
    calibration = stereo.calibrate_photos(*photos, board)
    stereo.write_rig(calibration.rig, out)
    used = calibration.pairs[calibration.pairs["used"]]
    best = used.iloc[int(used["epipolar"].astype(float).to_numpy().argmin())]
    rectifier = calibration.rig.rectify(*calibration.rig.left.size or (0, 0))
    views = rectifier.rectify(read_rgb(best["left"]), read_rgb(best["right"]))
    picture = plotting.show_calibration(used, list(calibration.corners.values()), views)
    plotting.save_figure(picture, figure)
    return calibration


def match_sources(
    rig: stereo.Rig,
    left: str,
    right: str | None,
    out: Path,
    *,
    scene: str | None = None,
    near: float | None = None,
    far: float = 80.0,
    sure: float = stereo.SURE,
    every: int = 1,
    overwrite: bool = False,
    workers: int | None = None,
    shard: Shard | None = None,
) -> MatchReport | Note:
    """Matches a rig's photos and writes a dataset of them into `out`, or adds a scene to it.

    left, right: two folders, patterns or videos; without `right`, `left` is a video or a folder
    whose pictures hold both photos side by side. scene: what the photos are one scene of; None:
    the name of their folder or video. near, far: metres; see `count_disparities` and `to_depth`,
    also for `sure`. every: only each so manieth pair. What is there already stays, unless
    `overwrite`. Files: SCENE/rgb/NAME.jpg (the rectified left photo), SCENE/depth/NAME.png (16
    bits, metres x 256, 0 where unsure), SCENE/confidence/NAME.png (8 bits, 255: 1),
    stereo.csv (rgb, depth, confidence, scene) and dataset.json of all scenes, stereo.png. shard:
    the part of the pairs, also of a video's frames, that is matched; `merge.merge_shards` writes
    stereo.csv and stereo.png.
    Errors: those of `open_pairs`; ValueError for settings that cannot be, for photos that are none
    of this rig, for a scene that is no name of a folder or was matched by other settings, for an
    `out` that is among the photos, or holds others' maps or those of another rig; those of
    `note_shard`.
    """
    ranged = 0.1 < far <= _FARTHEST and (near is None or near < far)
    if not 0 < sure <= 1 or not ranged or every < 1:
        raise ValueError(
            "`sure` must be above 0 and at most 1, `far` above 0.1 and at most "
            f"{_FARTHEST:.0f} metres and above `near`, `every` 1 or more. Received: sure={sure:g}, "
            f"far={far:g}, near={near}, every={every}."
        )
    words, threads = [left] if right is None else [left, right], count_threads(workers)
    found = [find_media([word]).split() for word in words]
    folder = _Scene(out, scene or name_scene(words))
    refuse_among(out, (photos for photos, _ in found))
    count, jobs = open_pairs(words, found, every)
    name, first, failed = find_readable(jobs)
    rectifier = rig.rectify(*first[0].shape[:2])
    disparities = stereo.count_disparities(
        rectifier.intrinsics.width, rectifier.focal_baseline, near
    )
    check_sides(first, rectifier, disparities, left)
    spec = _describe(out, rectifier, far)
    settings = {
        **place_sides(words, folder.folder),
        "focal_pixels": rectifier.intrinsics.fx, "baseline": rectifier.baseline,
        "disparities": disparities, "far": far, "sure": sure, "every": every,
        "rig": rig.digest(),
    }  # fmt: skip
    find_sources = _find_sources(found)
    describe, is_noted = lru_cache(1)(note_files), lru_cache(1)(are_noted)  # a video's, once

    def work(job: tuple[str, Read]) -> tuple[str, str] | None:
        name, read = job
        sources = find_sources(name)
        if folder.has(name):
            noted = folder.find_note(name)
            if noted and not is_noted(noted, *sources):
                return name, "is of other photos than are there now: --overwrite matches it anew"
            return None
        place = folder.folder / "depth" / f"{name}.png"
        if place.exists() and folder.is_theirs(place):
            return name, f"{place} is there, which is not of this command. Move it"
        source = describe(*sources)
        try:
            views = rectifier.rectify(*read())
        except (OSError, ValueError) as error:
            return name, str(error)
        disparity, confidence = stereo.match(*views, disparities)
        depth_m = stereo.to_depth(disparity, confidence, rectifier.focal_baseline, far, sure)
        share = float((depth_m > 0).mean())
        if share < spec.coverage_range[0]:
            return name, f"only {share:.1%} of its pixels are sure"
        folder.write(name, views[0], depth_m, confidence, spec, source)
        return None

    run = Run("stereo", f"of {' and '.join(words)}, as {folder.settings} says", "", count or 0)
    jobs = chain([(name, lambda: first)], jobs)
    if shard is not None:
        count, jobs = None, (job for job in jobs if shard.holds(job[0]))
        failed = [problem for problem in failed if shard.holds(problem[0])]
    check_ours(out / CSV)
    check_ours(out / SHEET, kind=FIGURE)
    with (
        note_shard(folder.folder, shard, run) as note,
        ThreadPoolExecutor(threads) as pool,
    ):
        if not folder.settings.is_file():
            folder.refuse_twin(
                note_files(*find_sources(name)),
                lambda place: read_text(place / "depth" / f"{name}.png", _PHOTOS),
            )
        frames, listed = [*found[0][0], *found[0][1]], folder.list_noted() if overwrite else ()
        folder.begin(settings, overwrite, frames, listed, shard, is_theirs=folder.is_theirs)
        write_dataset_file(spec, out / NAME)
        done = _map_ahead(pool, work, jobs, 2 * threads)
        bar = tqdm(done, f"match {folder.name}", count, initial=len(failed), unit="pair")
        results = list(bar)
        seen = len(failed) + len(results)
        failed += [problem for problem in results if problem]
        if count and seen < WHOLE * count:
            missing = f"{' or '.join(words)} ends here, {count - seen} frames too early"
            failed.append((f"{seen:06d}", missing))
        note.problems = {f"{folder.name}/{name}": text for name, text in failed}
        if shard is None:  # other shards may be writing; `merge.merge_shards` does it after them
            remove_left(folder.folder)
    if shard is not None:
        return note
    if folder.is_empty():
        raise ValueError(
            f"Photos of a rig must match. Received: none that do, of {' and '.join(words)}; "
            f"{failed[0][0]}: {failed[0][1]}. Give both cameras' photos of the same moments, in "
            "order, and their calibration by --rig."
        )
    return list_matched(out, note.problems)


def list_matched(out: Path, failed: Mapping[str, str]) -> MatchReport:
    """Checks all pairs of the dataset in `out` and lists the sound ones: stereo.csv, stereo.png.

    failed: problems of pairs that could not be matched, for the report.
    """
    with hold_lock(out / f".{CSV}.lock", "Another process lists pairs; waiting.", stays=False):
        return _list_matched(out, failed)


def _list_matched(out: Path, failed: Mapping[str, str]) -> MatchReport:
    pairs, _ = find_pairs(out, read_dataset_file(out / NAME))
    scenes = [(out / depth).parents[1] for depth in pairs.table["depth"]]
    matched = [row for row, scene in enumerate(scenes) if (scene / SETTINGS).is_file()]
    good, problems, _ = check_pairs(pairs.select(matched))
    good = replace(good, table=good.table.assign(confidence=good.table["depth"].map(_find_sure)))
    write_csv(good, out / CSV)
    if len(good):
        _draw_sheet(good.spread(_SHOWN), out / SHEET)
    remove_left_of(out, lambda name: name in (CSV, SHEET, NAME))
    problems = pd.concat([pd.DataFrame(failed.items(), columns=problems.columns), problems])
    return MatchReport(good, problems, out / CSV)


class _Scene(SceneFolder):
    """A scene's folder of matched pairs: SCENE/rgb, SCENE/depth and SCENE/confidence."""

    def __init__(self, out: Path, name: str) -> None:
        parts = {"rgb": ".jpg", "depth": ".png", "confidence": ".png"}
        super().__init__(out, name, SETTINGS, parts)

    def has(self, name: str) -> bool:
        """Whether a pair is matched, and nothing of it is lost."""
        files = (self.folder / part / f"{name}{suffix}" for part, suffix in self.parts.items())
        return all(file.exists() for file in files)

    def find_note(self, name: str) -> str | None:
        """`note_files` of the photos or videos of which a pair was matched, if it is known."""
        return read_text(self.folder / "depth" / f"{name}.png", _PHOTOS)

    def list_noted(self) -> set[str]:
        """The names of the pairs whose depth maps note of what they were matched."""
        names = {path.stem for path in (self.folder / "depth").glob("*.png")}
        return {name for name in names if self.find_note(name)}

    def is_theirs(self, path: Path) -> bool:
        """Whether a file that is called as a pair's is none of this command's."""
        return path.parent.name == "depth" and self.find_note(path.stem) is None

    def is_empty(self) -> bool:
        """Whether no pair is matched."""
        return not any((self.folder / "depth").glob("*.png"))

    def write(
        self,
        name: str,
        rgb: np.ndarray,
        depth_m: np.ndarray,
        sure: np.ndarray,
        spec: DatasetSpec,
        note: str,
    ) -> None:
        """Writes a pair, its depth last: that says that the pair is done, and of which photos."""
        write_rgb(self.folder / "rgb" / f"{name}.jpg", rgb, _QUALITY)
        write_grey(self.folder / "confidence" / f"{name}.png", np.rint(255 * sure).astype(np.uint8))
        write_depth(self.folder / "depth" / f"{name}.png", depth_m, spec, {_PHOTOS: note})


def _find_sources(
    found: Sequence[tuple[list[Path], list[Path]]],
) -> Callable[[str], tuple[Path, ...]]:
    """What gives the files of a pair by its name: its photos, or the videos, which all share."""
    rows = {row[0].stem: row for row in zip(*(photos for photos, _ in found), strict=True)}
    videos = tuple(videos[0] for _, videos in found if videos)
    return lambda name: rows.get(name, videos)


def _find_photos(word: str) -> list[Path]:
    photos, videos = find_media([word]).split()
    if videos:
        raise ValueError(
            f"A calibration needs photos. Received: the video {videos[0]}. Take photos, or frames "
            "of it in which the board is held still."
        )
    return photos


def _describe(out: Path, rectifier: stereo.Rectifier, far: float) -> DatasetSpec:
    """What the dataset in `out` is. Errors: those of `refuse_another`."""
    view = rectifier.intrinsics
    spec = make_spec(
        name=name_dataset(out, "stereo"),
        photo="{scene}/rgb/{frame}.jpg",
        depth="{scene}/depth/{frame}.png",
        metres_per_count=_COUNT,
        min_depth=0.1,
        max_depth=far,
        coverage_range=(0.02, 1.0),
        focal=round(view.focal, 6),
        aspect=round(view.width / view.height, 6),
        scenes="template",
        made_by="make_stereo_dataset.ipynb",
    )
    refuse_another(spec, out / NAME)
    return spec


def _find_sure(depth: str) -> str:
    """The confidence of the depth map SCENE/depth/NAME.png."""
    scene, _, name = depth.rsplit("/", 2)
    return f"{scene}/confidence/{name}"


def _draw_sheet(pairs: Pairs, path: Path) -> None:
    photos, depths = pairs.load()
    sure = [read_rgb(pairs.root / name) for name in pairs.table["confidence"]]
    figure = plotting.show_photos(photos, {"depth": depths}, far={}, changed={"confidence": sure})
    plotting.save_figure(figure, path)


def _map_ahead(pool: ThreadPoolExecutor, work: Callable, jobs: Iterable, ahead: int) -> Iterator:
    """`pool.map` that takes no more than `ahead` jobs at once: a video's frames fill the memory."""
    waiting: deque[Future] = deque()
    for job in jobs:
        waiting.append(pool.submit(work, job))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
