"""What `depthlib stereo` does: a rig from photos of a board, a dataset from a rig's photos."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib import plotting
from depthlib.commands.shard_notes import Note, Run, note_shard
from depthlib.data import stereo
from depthlib.data.dataset_file import NAME, make_spec, read_dataset_file, write_dataset_file
from depthlib.data.images import read_rgb, write_depth, write_grey, write_rgb
from depthlib.data.inputs import find_inputs
from depthlib.data.pairs import Pairs, check_pairs, find_pairs, write_csv
from depthlib.data.shards import Shard
from depthlib.data.specs import DatasetSpec
from depthlib.files import write_bytes
from depthlib.video.frames import open_frames

CSV, SETTINGS, SHEET = "stereo.csv", "stereo.json", "stereo.png"
_QUALITY = 95  # of the JPEG photos
_COUNT = 1 / 256  # metres: as KITTI's depth maps have it
_FARTHEST = 65535 * _COUNT
_SHOWN = 5  # pairs in the picture sheet
_FEW = 0.05  # of the pixels: where fewer are sure, the cameras may be swapped

Read = Callable[[], tuple[np.ndarray, np.ndarray]]


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

    Errors: those of `calibrate_photos`, `find_inputs` and `write_rig`.
    """
    calibration = stereo.calibrate_photos(_find_photos(left), _find_photos(right), board)
    stereo.write_rig(calibration.rig, out)
    used = calibration.pairs[calibration.pairs["used"]]
    best = used.iloc[int(used["epipolar"].astype(float).to_numpy().argmin())]
    rectifier = calibration.rig.rectify(*calibration.rig.left.size or (0, 0))
    views = rectifier.rectify(read_rgb(best["left"]), read_rgb(best["right"]))
    picture = plotting.show_calibration(used, list(calibration.corners.values()), views)
    plotting.save_figure(picture, figure or out.with_suffix(".png"))
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
    Errors: ValueError for settings that cannot be, for photos that are no pairs of this rig, for a
    folder that holds a dataset of another rig or was matched by other settings.
    """
    if not 0 < sure <= 1 or not 0.1 < far <= _FARTHEST or every < 1:
        raise ValueError(
            "`sure` must be above 0 and at most 1, `far` above 0.1 and at most "
            f"{_FARTHEST:.0f} metres, `every` 1 or more. Received: sure={sure:g}, far={far:g}, "
            f"every={every}."
        )
    count, jobs = _open_pairs(left, right, every)
    name, read = next(jobs)
    first = read()
    rectifier = rig.rectify(*first[0].shape[:2])
    disparities = stereo.count_disparities(
        rectifier.intrinsics.width, rectifier.focal_baseline, near
    )
    _check_sides(rectifier.rectify(*first), disparities, left)
    spec = _describe(out, rectifier, far)
    folder = out / (scene or _name_scene(left, right))
    settings = {
        "left": left, "right": right, "focal_pixels": rectifier.intrinsics.fx,
        "baseline": rectifier.baseline, "disparities": disparities, "far": far, "sure": sure,
        "every": every,
    }  # fmt: skip
    _keep_settings(folder / SETTINGS, settings, overwrite)
    write_dataset_file(spec, out / NAME)

    def work(job: tuple[str, Read]) -> tuple[str, str] | None:
        name, read = job
        target = folder / "depth" / f"{name}.png"
        if target.exists() and not overwrite:
            return None
        try:
            views = rectifier.rectify(*read())
        except (OSError, ValueError) as error:
            return f"{folder.name}/{name}", str(error)
        disparity, confidence = stereo.match(*views, disparities)
        depth_m = stereo.to_depth(disparity, confidence, rectifier.focal_baseline, far, sure)
        write_rgb(folder / "rgb" / f"{name}.jpg", views[0], _QUALITY)
        sure_png = folder / "confidence" / f"{name}.png"
        write_grey(sure_png, np.rint(255 * confidence).astype(np.uint8))
        write_depth(target, depth_m, spec)  # last: it says that the pair is done
        return None

    run = Run("stereo", f"of {left}, as {folder / SETTINGS} says", "", count or 0)
    jobs = chain([(name, lambda: first)], jobs)
    if shard is not None:
        count, jobs = None, (job for job in jobs if shard.holds(job[0]))
    with (
        note_shard(folder, shard, run) as note,
        ThreadPoolExecutor(workers or os.cpu_count()) as pool,
    ):
        done = _map_ahead(pool, work, jobs, 2 * (workers or os.cpu_count() or 1))
        failed = [one for one in tqdm(done, f"match {folder.name}", count, unit="pair") if one]
        note.problems = dict(failed)
    return list_matched(out, note.problems) if shard is None else note


def list_matched(out: Path, failed: Mapping[str, str]) -> MatchReport:
    """Checks all pairs of the dataset in `out` and lists the sound ones: stereo.csv, stereo.png.

    failed: problems of pairs that could not be matched, for the report.
    """
    good, problems, _ = check_pairs(find_pairs(out, read_dataset_file(out / NAME))[0])
    problems = pd.concat([pd.DataFrame(failed.items(), columns=problems.columns), problems])
    good = replace(good, table=good.table.assign(confidence=good.table["depth"].map(_find_sure)))
    write_csv(good, out / CSV)
    if len(good):
        _draw_sheet(good.spread(_SHOWN), out / SHEET)
    return MatchReport(good, problems, out / CSV)


def _find_photos(word: str) -> list[Path]:
    photos, videos = find_inputs([word])
    if videos:
        raise ValueError(
            f"A calibration needs photos. Received: the video {videos[0]}. Take photos, or frames "
            "of it in which the board is held still."
        )
    return photos


def _open_pairs(left: str, right: str | None, every: int) -> tuple[int | None, Iterator]:
    """How many pairs there are, None where unknown, and each one's name and what reads it."""
    words = [left] if right is None else [left, right]
    found = [find_inputs([word]) for word in words]
    if all(photos for photos, _ in found):
        sides = [photos[::every] for photos, _ in found]
        if len({len(photos) for photos, _ in found}) > 1:
            counts = " and ".join(
                f"{len(photos)} in {word}" for word, (photos, _) in zip(words, found, strict=True)
            )
            raise ValueError(
                f"Each left photo must have a right one. Received: {counts}. Remove those without "
                "a partner."
            )
        rows = zip(*sides, strict=True)
        return len(sides[0]), ((row[0].stem, partial(_read_pair, row)) for row in rows)
    if not all(videos for _, videos in found):
        raise ValueError(
            "Both sides must be photos, or both videos. Received: "
            f"{left} and {right}. Give two folders, two videos, or one with both side by side."
        )
    videos = [open_frames(videos[0]) for _, videos in found]
    if len({video.count for video in videos}) > 1:
        counts = " and ".join(f"{video.count} in {video.source}" for video in videos)
        raise ValueError(
            f"Two videos of a rig must have a frame for a frame. Received: {counts}. Cut them to "
            "begin and end at the same moments."
        )
    frames = islice(enumerate(zip(*videos, strict=False)), 0, None, every)
    count = videos[0].count and -(-videos[0].count // every)
    return count, ((f"{n:06d}", partial(_take_pair, row, left)) for n, row in frames)


def _read_pair(paths: tuple[Path, ...]) -> tuple[np.ndarray, np.ndarray]:
    try:
        return _take_pair(tuple(map(read_rgb, paths)), str(paths[0]))
    except ValueError as error:
        raise ValueError(f"{error} The pair is {' and '.join(map(str, paths))}.") from error


def _take_pair(photos: tuple[np.ndarray, ...], source: str) -> tuple[np.ndarray, np.ndarray]:
    """A left and a right photo of the same size, which one picture may hold side by side."""
    if len(photos) == 1:
        width = photos[0].shape[1]
        if width % 2:
            raise ValueError(
                "A picture of both photos side by side must have an even width. Received: "
                f"{width} pixels in {source}. Give each camera's own."
            )
        photos = photos[0][:, : width // 2], photos[0][:, width // 2 :]
    left, right = photos
    if left.shape != right.shape:
        raise ValueError(
            "The photos of a pair must have one size. Received: "
            f"{left.shape[0]}x{left.shape[1]} and {right.shape[0]}x{right.shape[1]} (height x "
            f"width), of {source}."
        )
    return np.ascontiguousarray(left), np.ascontiguousarray(right)


def _check_sides(views: tuple[np.ndarray, np.ndarray], disparities: int, source: str) -> None:
    """Errors: ValueError where hardly anything matches, but would with the photos swapped."""
    share, swapped = (
        float((stereo.match(*pair, disparities)[1] >= stereo.SURE).mean())
        for pair in (views, views[::-1])
    )
    if share < _FEW and swapped > 4 * share:
        raise ValueError(
            "The left photo must be the left camera's. Received: photos of which "
            f"{share:.1%} match, and {swapped:.0%} when swapped, from {source}. Swap --left and "
            "--right."
        )


def _describe(out: Path, rectifier: stereo.Rectifier, far: float) -> DatasetSpec:
    """What the dataset in `out` is. Errors: ValueError where what is there is of another kind."""
    view = rectifier.intrinsics
    spec = make_spec(
        name=out.resolve().name or "stereo",
        photo="{scene}/rgb/{frame}.*",
        depth="{scene}/depth/{frame}.png",
        metres_per_count=_COUNT,
        min_depth=0.1,
        max_depth=far,
        coverage_range=(0.02, 1.0),
        focal=round(view.focal, 6),
        aspect=round(view.width / view.height, 6),
        made_by="make_stereo_dataset.ipynb",
    )
    if (out / NAME).is_file() and (there := read_dataset_file(out / NAME)) != spec:
        old = asdict(there)
        differs = [
            f"{field} {value} and {old[field]}"
            for field, value in asdict(spec).items()
            if old[field] != value
        ]
        raise ValueError(
            f"All scenes of a dataset must be of one rig and range. Received: "
            f"{', '.join(differs)}, "
            f"the second in {out / NAME}. Choose another folder."
        )
    return spec


def _name_scene(left: str, right: str | None) -> str:
    """The name of what holds both sides: a drive's folder of two folders, or a video's own."""
    paths = [Path(word).resolve() for word in (left, right or left)]
    common = Path(os.path.commonpath(paths))
    return common.stem if common.suffix and not common.is_dir() else common.name or "scene"


def _keep_settings(path: Path, settings: dict, overwrite: bool) -> None:
    """Writes by what a scene is matched. Errors: ValueError where it was matched otherwise."""
    text = json.dumps(settings, indent=2) + "\n"
    if path.is_file() and not overwrite and path.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"A scene must be matched by one rig and by the same settings. Received: others than "
            f"{path} has. Use another --scene or --out, or --overwrite."
        )
    write_bytes(path, text.encode())


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
