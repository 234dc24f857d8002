"""A dataset without depth, of frames and other views of them: what `depthlib views` does."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import chain, islice, pairwise
from pathlib import Path, PurePosixPath

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
from depthlib.commands.stereo_pairs import check_names, check_sides, find_readable, open_pairs
from depthlib.data import stereo
from depthlib.data.csv_tables import MOTIONS, VIEWS
from depthlib.data.dataset_file import NAME, make_spec, refuse_another, write_dataset_file
from depthlib.data.images import read_rgb, resize_rgb, write_rgb
from depthlib.data.intrinsics import CameraCalibration, Intrinsics
from depthlib.data.lenses import FocalRequest, find_lens
from depthlib.data.pairs import Pairs, read_csv
from depthlib.data.specs import DatasetSpec
from depthlib.data.views import format_motion
from depthlib.files import (
    FIGURE,
    check_ours,
    format_table,
    hold_folder,
    hold_lock,
    natural_key,
    remove_left,
    remove_left_of,
    write_bytes,
    write_ours,
)
from depthlib.prediction.outputs import find_media
from depthlib.video.frames import open_frames
from depthlib.video.motion import LEAST, Chosen, Follower, Tally, choose_frames
from depthlib.video.odometry import Odometer, compose, invert

CSV, SHEET = "views.csv", "views.png"
SETTINGS, LIST = "views.json", "frames.csv"  # in a scene's folder; the list is written last
GUESS = FocalRequest("mm", 26)  # of a phone's main camera
_QUALITY = 95  # of the JPEG photos
_SHOWN = 4  # photos in the picture sheet
# Frames that a neighbour is away: nearer, and far things hardly move. On KITTI's drive 0005, ten
# frames a second: docs/results/without_laser.md.
APART = 5

Photos = tuple[np.ndarray, ...]  # the left one, and the right one where there are two cameras
Job = tuple[str, Callable[[], Photos]]


@dataclass(frozen=True)
class ViewSettings:
    """How frames are chosen and kept.

    lens: of one camera alone, as `lenses.find_lens` takes it; a calibration undistorts too. near,
    far: the range of depth that is learned, metres; of one camera alone in the unit of its motion.
    horizon: a road's, its row over the height. motion: whether a frame's neighbours are its views.
    least: see `video.motion.Follower`. apart: how many frames that are kept a neighbour is away, at
    most. every: only each so manieth frame. long_side: pixels of a
    photo's longer side, at most.
    Errors: ValueError for a value that is none.
    """

    lens: FocalRequest | CameraCalibration = FocalRequest("exif")
    near: float = 1.0
    far: float = 80.0
    horizon: float | None = None
    motion: bool = True
    least: float = LEAST
    apart: int = APART
    every: int = 1
    long_side: int = 1280

    def __post_init__(self) -> None:
        Follower(self.least)  # refuses what is none
        is_range = 0 < self.near < self.far < np.inf
        if not (is_range and min(self.every, self.apart) >= 1 and self.long_side >= 64):
            raise ValueError(
                "`near` must be above 0 and below `far`, `every` and `apart` 1 or more, "
                f"`long_side` 64 or more. Received: near={self.near:g}, far={self.far:g}, "
                f"every={self.every}, apart={self.apart}, long_side={self.long_side}."
            )


@dataclass
class ViewReport:
    """What became of the frames: a line a scene, and the photos that have a problem, by name."""

    csv: Path
    count: int = 0
    views: tuple[str, ...] = ()
    scenes: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.csv}: {self.count} photos with {', '.join(self.views)}", *self.scenes]
        return "\n".join(lines + [f"{name}: {text}" for name, text in self.problems.items()])


@dataclass(frozen=True, eq=False)
class _Source:
    """What one scene is made of: its words, and the photos and videos that each of them means."""

    words: list[str]
    found: list[tuple[list[Path], list[Path]]]

    def open(self, rig: stereo.Rig | None, every: int) -> tuple[int | None, Iterator[Job]]:
        """How many frames there are, None where unknown, and each one's name and what reads it."""
        if rig:
            return open_pairs(self.words, self.found, every)
        photos, videos = self.found[0]
        if photos:
            check_names(photos)
            chosen = photos[::every]
            return len(chosen), ((path.stem, partial(_read, path)) for path in chosen)
        frames = open_frames(videos[0])
        numbered = islice(enumerate(frames), 0, None, every)
        count = frames.count and -(-frames.count // every)
        return count, ((f"{n:06d}", partial(_give, rgb)) for n, rgb in numbered)


@dataclass(frozen=True, eq=False)
class _Camera:
    """What makes photos those of pinhole cameras, and what those see.

    baseline: metres to the right camera; None: there is none. told: in words, where it is known
    from.
    """

    view: Intrinsics
    prepare: Callable[[Photos], Photos]
    told: str
    baseline: float | None = None


def make_views(
    left: Sequence[str],
    out: Path | str,
    settings: ViewSettings | None = None,
    *,
    right: Sequence[str] = (),
    rig: stereo.Rig | None = None,
    scene: str | None = None,
    overwrite: bool = False,
) -> ViewReport:
    """Makes a dataset without depth in `out`, or adds scenes to it: a scene each of `left`.

    left: videos, folders or patterns of frames in order; those of the left camera where there is a
    `rig`. right: those of the right one, as many; none: pictures hold both photos side by side.
    scene: the name of the one scene; None: that of its folder or video. A scene that is whole stays
    as it is, and in one that was stopped the photos that are there, unless `overwrite`.
    Files: SCENE/rgb/NAME.jpg, SCENE/right/NAME.jpg, views.csv (rgb, right, previous, next, the
    motions to both, scene) and dataset.json of all scenes, views.png to look at.
    Errors: those of `find_media`, `open_pairs`, `find_lens` and `Rig.rectify`; ValueError where no
    frame has another view, for an `out` that is among the frames or of another camera;
    FileExistsError for photos of one's own in a scene that is whole; those of `hold_folder`.
    """
    settings, out = settings or ViewSettings(), Path(out)
    if right and (rig is None or len(right) != len(left)):
        raise ValueError(
            "Right frames must have a rig, and as many sources as left ones. Received: "
            f"{len(left)} left and {len(right)} right, {'a' if rig else 'no'} rig. Give --rig, and "
            "a --right for each LEFT."
        )
    named = _name_sources(left, right, rig is not None, scene)
    report = ViewReport(out / CSV)
    for name, source in named.items():
        folder = SceneFolder(out, name, SETTINGS, {"rgb": ".jpg", "right": ".jpg"})
        refuse_among(out, (files for sides in source.found for files in sides))
        with hold_folder(folder.folder):
            told, failed = _make_scene(folder, source, out, settings, rig, overwrite)
            remove_left(folder.folder)
        report.scenes.append(f"{name}: {told}")
        report.problems |= {f"{name}/{photo}": problem for photo, problem in failed}
    pairs = list_views(out)
    report.count, report.views = len(pairs), pairs.views
    return report


def list_views(out: Path) -> Pairs:
    """Lists the photos of all whole scenes in `out`, views.csv, and draws some, views.png."""
    with hold_lock(out / f".{CSV}.lock", "Another process lists photos; waiting.", stays=False):
        return _list_views(out)


def _list_views(out: Path) -> Pairs:
    lists = sorted(out.glob(f"*/{LIST}"), key=lambda path: natural_key(path.parent.name))
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in lists]
    columns = (*VIEWS, *MOTIONS.values())
    table = pd.concat(tables).reindex(columns=["rgb", *columns, "scene"]).fillna("")
    missing = [name for name in columns if (table[name] == "").all()]
    write_ours(out / CSV, format_table(table.drop(columns=missing)))
    pairs = read_csv(out / CSV)
    plotting.save_figure(show_neighbours(pairs.spread(_SHOWN)), out / SHEET)
    remove_left_of(out, lambda name: name in (CSV, SHEET, NAME))
    return pairs


def show_neighbours(pairs: Pairs) -> plotting.Figure:
    """A figure of photos beside their other views, a row each."""
    rows = []
    for row in range(len(pairs)):
        paths = {"photo": pairs.rgb_path(row)} | {n: pairs.view_path(row, n) for n in VIEWS}
        rows.append({name: read_rgb(path) for name, path in paths.items() if path})
    return plotting.show_views(rows)


def _name_sources(
    left: Sequence[str], right: Sequence[str], has_rig: bool, scene: str | None
) -> dict[str, _Source]:
    """The scenes by name. Errors: ValueError for two of one name."""
    sources = []
    for number, word in enumerate(left):
        words = [word, *right[number : number + 1]]
        found = [find_media([each]).split() for each in words]
        photos, videos = found[0]
        if len(videos) > 1 and not has_rig:  # a folder of them
            sources += [_Source([str(video)], [([], [video])]) for video in videos]
        else:
            sources.append(_Source(words, found))
    names = [scene or name_scene(source.words) for source in sources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(
            f"Scenes must have names of their own. Received: {names.count(twice)} called {twice}. "
            "Give one at a time, each with another --scene."
        )
    return dict(zip(names, sources, strict=True))


def _make_scene(
    folder: SceneFolder,
    source: _Source,
    out: Path,
    settings: ViewSettings,
    rig: stereo.Rig | None,
    overwrite: bool,
) -> tuple[str, list[tuple[str, str]]]:
    """Writes a scene; what is to be said of it, and the problems of photos, by name."""
    count, jobs = source.open(rig, settings.every)
    name, first, failed = find_readable(jobs)
    path = next((path for path in source.found[0][0] if path.stem == name), None)
    camera = _find_rig(first, rig, source) if rig else _find_camera(first[0], path, settings.lens)
    spec = _describe(out, camera, settings)
    refuse_another(spec, out / NAME)
    check_ours(out / CSV)
    check_ours(out / SHEET, kind=FIGURE)
    whole = folder.folder / LIST
    listed = _list_photos(whole)
    names = {PurePosixPath(photo).stem for photo in listed}
    folder.begin(
        place_sides(source.words, folder.folder)
        | {"focal": spec.focal, "baseline": spec.baseline, "every": settings.every}
        | {"long_side": settings.long_side, "least": settings.least if settings.motion else 0}
        | {"apart": settings.apart if settings.motion else 0}
        | ({"rig": rig.digest()} if rig else {}),
        overwrite,
        [*source.found[0][0], *source.found[0][1]],
        names,
        sources=[path for photos, videos in source.found for path in (photos or videos[:1])],
        is_theirs=lambda path: bool(listed) and path.stem not in names,
    )
    if overwrite:
        whole.unlink(missing_ok=True)
    elif listed and all((out / photo).is_file() for photo in listed):
        return f"there already (--overwrite makes it anew). {camera.told}", failed
    tally = Tally()
    jobs = tqdm(chain([(name, lambda: first)], jobs), folder.name, count, unit="frame")
    frames = _prepare(jobs, camera, settings.long_side, failed)
    if settings.motion:
        typical = np.sqrt(settings.near * settings.far)
        odometer = Odometer(camera.view, typical, camera.baseline)
        chosen = choose_frames(frames, tally, odometer, settings.least, keep_alone=rig is not None)
    else:
        chosen = (Chosen(name, photos) for name, photos in frames)
    rows: list[dict[str, str]] = []
    motions: list[np.ndarray | None] = []
    for one in chosen:
        for part, rgb in zip(folder.parts, one.photos, strict=False):
            path = folder.folder / part / f"{one.name}.jpg"
            if not path.exists():
                write_rgb(path, rgb, _QUALITY)
        rgb_path = f"{folder.name}/rgb/{one.name}.jpg"
        row = dict.fromkeys(("rgb", *VIEWS, *MOTIONS.values()), "") | {"rgb": rgb_path}
        if rig:
            row["right"] = f"{folder.name}/right/{one.name}.jpg"
        rows.append(row)
        motions.append(one.motion)
    _link(rows, motions, settings.apart)
    told = str(tally) if settings.motion else f"{len(rows)} pairs taken"
    if not rows:
        raise ValueError(
            "Frames must go on from each other, with motion of the camera between them. Received: "
            f"{told}, of {' and '.join(source.words)}. Give a video of a camera that moves; where "
            "it moves slowly, a smaller --least-motion; where frames are far apart, all of them."
        )
    write_bytes(whole, format_table(pd.DataFrame(rows).assign(scene=folder.name)))
    write_dataset_file(spec, out / NAME)
    return f"{told}. {camera.told}", failed


def _link(rows: list[dict[str, str]], motions: Sequence[np.ndarray | None], apart: int) -> None:
    """Says in the rows of frames which are neighbours, and how the camera moved between them.

    motions: since the frame before, None where a shot begins. In a shot of fewer frames than
    `apart` its first and last are neighbours.
    """
    begins = [number for number, motion in enumerate(motions) if motion is None]
    for start, end in pairwise([*begins, len(rows)]):
        step = min(apart, max(end - start - 1, 1))
        for after in range(start + step, end):
            before = after - step
            steps = [motion for motion in motions[before + 1 : after + 1] if motion is not None]
            motion = reduce(compose, steps)
            rows[before] |= {"next": rows[after]["rgb"], MOTIONS["next"]: format_motion(motion)}
            back = format_motion(invert(motion))
            rows[after] |= {"previous": rows[before]["rgb"], MOTIONS["previous"]: back}


def _list_photos(path: Path) -> set[str]:
    """The photos in a scene's list, relative to the dataset; none where there is no list."""
    if not path.is_file():
        return set()
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return {photo for name in ("rgb", "right") for photo in table[name] if photo}


def _prepare(
    jobs: Iterator[Job], camera: _Camera, long_side: int, failed: list[tuple[str, str]]
) -> Iterator[tuple[str, Photos]]:
    """The photos as pinhole cameras see them, shrunk; those that cannot be read are noted."""
    scale = min(1.0, long_side / max(camera.view.height, camera.view.width))
    rows, columns = (max(1, round(scale * n)) for n in (camera.view.height, camera.view.width))
    for name, read in jobs:
        try:
            photos = camera.prepare(read())
        except (OSError, ValueError) as error:
            failed.append((name, str(error)))
            continue
        yield name, tuple(resize_rgb(rgb, rows, columns) if scale < 1 else rgb for rgb in photos)


def _find_rig(first: Photos, rig: stereo.Rig, source: _Source) -> _Camera:
    """The cameras of a rig. Errors: those of `Rig.rectify` and `check_sides`."""
    rectifier = rig.rectify(*first[0].shape[:2])
    view = rectifier.intrinsics
    disparities = stereo.count_disparities(view.width, rectifier.focal_baseline)
    check_sides(first, rectifier, disparities, source.words[0])
    told = f"Focal length {view.focal:.3g} of the width, baseline {rectifier.baseline:.4g} m"
    return _Camera(
        view, lambda photos: rectifier.rectify(*photos), f"{told}, by the rig", rectifier.baseline
    )


def _find_camera(
    first: np.ndarray, path: Path | None, lens: FocalRequest | CameraCalibration
) -> _Camera:
    """The one camera of frames by its calibration, or by the focal length of the first one.

    path: the first one's; None: it is a video's.
    """
    height, width = size = first.shape[:2]
    if isinstance(lens, CameraCalibration):
        calibration = lens
        view = calibration.undistort(first)[1]
        told = f"Focal length {view.focal:.3g} of the width, by {calibration.path}"
        return _Camera(
            view, lambda photos: (calibration.undistort(*_check_size(photos, size))[0],), told
        )
    found = find_lens(path or (height, width), lens)
    focal = found.focal or find_lens((height, width), GUESS).focal or 1.0
    told = f"Focal length {focal:.3g} of the width"
    told += {"given": ", as given", "exif": ", by the EXIF of the first photo"}.get(
        found.source,
        f", which is a guess ({GUESS}, as a phone's main camera has it), for no EXIF tells it. "
        "Give --focal or --camera",
    )
    pixels = focal * width
    view = Intrinsics(pixels, pixels, (width - 1) / 2, (height - 1) / 2, width, height)
    return _Camera(view, partial(_check_size, size=size), told)


def _check_size(photos: Photos, size: tuple[int, ...]) -> Photos:
    """The photos as they are. Errors: ValueError where they have another size than the first."""
    if photos[0].shape[:2] != size:
        height, width = photos[0].shape[:2]
        raise ValueError(
            f"The frames of a scene must have one size. Received: {height}x{width} after "
            f"{size[0]}x{size[1]} (height x width). Give them as a scene of their own."
        )
    return photos


def _describe(out: Path, camera: _Camera, settings: ViewSettings) -> DatasetSpec:
    view = camera.view
    return make_spec(
        name=name_dataset(out, "views"),
        photo="{scene}/rgb/{frame}.jpg",
        encoding="none",
        min_depth=settings.near,
        max_depth=settings.far,
        focal=round(view.focal, 6),
        aspect=round(view.width / view.height, 6),
        horizon=settings.horizon,
        centre=(round((view.cx + 0.5) / view.width, 6), round((view.cy + 0.5) / view.height, 6)),
        baseline=camera.baseline and round(camera.baseline, 6),
        scenes="column:scene",
        made_by="depthlib views",
    )


def _read(path: Path) -> Photos:
    return (read_rgb(path),)


def _give(rgb: np.ndarray) -> Photos:
    return (rgb,)
