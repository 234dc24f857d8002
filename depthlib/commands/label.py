"""A dataset from photos that nobody measured, labelled by networks: what `depthlib label` does."""

import math
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.commands.predict import (
    AHEAD,
    PredictReport,
    check_file,
    describe_error,
)
from depthlib.commands.shard_notes import Run, note_shard
from depthlib.commands.summary import Summary
from depthlib.data.dataset_file import (
    NAME,
    make_spec,
    name_after,
    refuse_another,
    write_dataset_file,
)
from depthlib.data.images import read_rgb, resize_rgb, write_depth, write_grey, write_rgb
from depthlib.data.lenses import FocalRequest, find_lens
from depthlib.data.shards import Shard
from depthlib.data.specs import DatasetSpec
from depthlib.files import (
    check_ours,
    content_of,
    format_table,
    natural_key,
    note_files,
    remove_left,
    remove_left_of,
    write_ours,
)
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.outputs import FILE, LABEL, find_media
from depthlib.prediction.pipeline import work_ahead
from depthlib.prediction.teachers import COMBINATIONS, Label, find_unit, label_photo

CSV = "labels.csv"
PARTS = {"photos": ".jpg", "depth": ".png", "confidence": ".png"}  # folders, and their files' ends
TOO_FAR = 0.02  # of a photo's pixels: what may be left out without a word
QUALITY = 95  # of the photos' JPEG: a network is to learn from them
LONGEST = 65.535  # metres that 16 bits of millimetres hold


@dataclass(frozen=True)
class LabelSettings:
    """How photos are labelled, and how they are kept.

    lens: the photos' focal length, as `lenses.find_lens` takes it. combine: as in `label_photo`.
    least_confidence: depth that is less sure is left out. long_side: pixels of a photo's longer
    side, at most; larger ones are shrunk. every: of a video, each frame of this many.
    Errors: ValueError for a value that is none.
    """

    lens: FocalRequest = FocalRequest("exif")
    combine: str = "mean"
    least_confidence: float = 0.0
    long_side: int = 640
    every: int = 10

    def __post_init__(self) -> None:
        rules = {
            "combine": (f"one of {', '.join(COMBINATIONS)}", self.combine in COMBINATIONS),
            "least_confidence": ("from 0 to below 1", 0 <= self.least_confidence < 1),
            "long_side": ("at least 64 pixels", self.long_side >= 64),
            "every": ("at least 1", self.every >= 1),
        }
        for name, (rule, kept) in rules.items():
            if not kept:
                raise ValueError(f"`{name}` must be {rule}. Received: {getattr(self, name)!r}.")

    def __str__(self) -> str:
        return (
            f"--combine {self.combine} --least-confidence {self.least_confidence:g} "
            f"--focal {self.lens} --long-side {self.long_side}"
        )


def label_files(
    teachers: Mapping[str, DepthPredictor],
    words: Sequence[Path | str],
    out: Path | str,
    settings: LabelSettings | None = None,
    progress: bool = True,
    shard: Shard | None = None,
) -> PredictReport:
    """Labels what `words` mean (`data.inputs`) and writes a dataset to the folder `out`.

    teachers: networks by what they are called. The first one that knows its training's focal
    length, else the first one, is the guide. Of each photo, and of some frames of each video:
    photos/NAME.jpg, cut about its middle to the shape that the guide knows (for a road's: as it is)
    and shrunk; depth/NAME.png, 16 bits; confidence/NAME.png, 8 bits, of which 255 is certain: in
    training a pixel's weight. labels.csv lists them with the photo's focal length in pixels, given
    or as the guide assumes it, and its scene: a video's frames are one, the scene of photos is
    unknown. Where the guide assumes none, a photo without is refused if another has one; if none
    has, there is no such column. dataset.json says how depth is stored, depth.csv of which file
    each photo is and by which teachers. A run that was stopped goes on; one with other teachers or
    settings is refused. One photo at a time is in memory. shard: the part that is labelled;
    `merge.merge_shards` writes labels.csv of all.
    Errors: those of `find_media`, `find_unit` and `refuse_another`; FileExistsError for a
    labels.csv of one's own; those of `note_shard`.
    """
    settings, members = settings or LabelSettings(), list(teachers.values())
    find_unit(members)  # before photos are looked at
    guide = next((teacher for teacher in members if teacher.view.focal), members[0])
    listing = find_media(words)
    has_focals = bool(guide.view.focal) or _have_focals(listing.split()[0], settings.lens)
    spec = _describe_labels(members, name_after(Path(out)) or "labels", has_focals)
    made = f"{' + '.join(one.describe(name) for name, one in teachers.items())} {settings}"
    made_of = note_files(*(one.path or name.partition(",")[0] for name, one in teachers.items()))
    run = Run("label", f"{made} of {content_of(made_of)}", listing.digest(), len(listing))
    report = PredictReport(advice="")
    with (
        note_shard(Path(out), shard, run) as note,
        closing(_Folder(Path(out), spec, settings, made, made_of, guide, shard)) as folder,
    ):
        names = folder.summary.name_outputs(listing.paths, listing.choose(shard))
        photos, videos = listing.split(shard)
        total = None if videos else len(photos)
        with (
            tqdm(total=total, unit="photo", disable=not progress) as bar,
            closing(work_ahead(_read(photos, videos, names, folder), AHEAD)) as items,
        ):
            for item in items:
                bar.update()
                if isinstance(item, _Refused):
                    item.note(report)
                    continue
                try:
                    label = label_photo(members, item.rgb, item.focal, settings.combine)
                    folder.write(item, label)
                    report.written.append(item.path)
                except (OSError, ValueError) as error:
                    report.failed[item.path] = describe_error(error)
        note.problems = report.describe_failed()
    return report


def write_labels(out: Path, table: Iterable[Mapping[str, str]]) -> int:
    """Writes labels.csv of what is labelled in `out`, if anything is; the number of its rows.

    What killed runs left half written goes. table: the rows of depth.csv.
    """
    rows = _find_labelled(out, table)
    names = sorted(rows, key=natural_key)
    columns = {
        "rgb": [f"photos/{name}.jpg" for name in names],
        "depth": [f"depth/{name}.png" for name in names],
        "confidence": [f"confidence/{name}.png" for name in names],
    }
    if all(row["focal"] for row in rows.values()):
        pixels = (float(rows[name]["focal"]) * float(rows[name]["width"]) for name in names)
        columns["focal"] = [f"{focal:.6g}" for focal in pixels]
    columns["scene"] = [name.rpartition("/")[0] for name in names]
    labels = pd.DataFrame(columns)
    if len(labels):
        write_ours(out / CSV, format_table(labels))
    remove_left_of(out, lambda name: name in (FILE, CSV, NAME))
    for part in PARTS:
        remove_left(out / part)
    return len(labels)


def _find_labelled(out: Path, table: Iterable[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The rows of labels by name, whose files are all there; of `predict` there are none."""
    rows = {row["name"]: row for row in table if row.get("width")}
    parts = [(out / part, suffix) for part, suffix in PARTS.items()]
    return {
        name: row
        for name, row in rows.items()
        if all((folder / f"{name}{suffix}").is_file() for folder, suffix in parts)
    }


class _Photo(NamedTuple):
    """A photo, or a frame of a video, as it is to be labelled."""

    path: Path  # a frame's lies in its video
    name: str
    source: str  # `note_files` of the photo or the video, before it was read
    rgb: np.ndarray
    focal: float | None  # in shares of the width


class _Refused(NamedTuple):
    """A photo that is not to be labelled, and why not. No reason: it is done, `changed`: since."""

    path: Path
    reason: str = ""
    changed: bool = False

    def note(self, report: PredictReport) -> None:
        if self.reason:
            report.failed[self.path] = self.reason
        else:
            report.skipped.append(self.path)
            report.changed += [self.path] * self.changed


class _Folder:
    """The dataset that is written."""

    def __init__(
        self,
        out: Path,
        spec: DatasetSpec,
        settings: LabelSettings,
        made: str,
        made_of: str,
        guide: DepthPredictor,
        shard: Shard | None,
    ) -> None:
        self.out, self.spec, self.settings, self.made = out, spec, settings, made
        self.guide, self.made_of = guide, made_of
        self.summary, self.is_whole = Summary(out, shard), shard is None
        refuse_another(spec, out / NAME)
        check_ours(out / CSV)

    def list_files(self, name: str) -> list[Path]:
        """The photo, its depth and its confidence."""
        return [self.out / part / f"{name}{suffix}" for part, suffix in PARTS.items()]

    def refuse(self, path: Path, name: str) -> _Refused | None:
        """A photo that is done, or cannot be labelled; None for one that is to be."""
        files = self.list_files(name)
        if path not in self.summary:
            there = next((file for file in files if file.exists()), None)
            reason = f"{there} is there, and {self.summary.path} does not say that it is of this"
            return _Refused(path, f"{reason} photo. Use another folder.") if there else None
        if other := self.summary.find_other(path, self.made):
            reason = f"was labelled in {self.out} by {other}, not by {self.made}"
            return _Refused(path, f"{reason}. Use another folder.")
        source = path if path.is_file() else path.parent  # of a frame: its video
        is_changed = self.summary.is_changed(path, self.made_of, source)
        enough = any if is_changed else all  # beside files of another photo none is written
        are_there = enough(file.exists() for file in files)
        return _Refused(path, changed=is_changed) if are_there else None

    def find_focal(self, photo: Path | tuple[int, int]) -> float | None:
        """A photo's focal length; None where the guide assumes one, or the dataset has none.

        Errors: those of `find_lens`; ValueError for a photo without where others have one.
        """
        focal = find_lens(photo, self.settings.lens).focal
        if focal is None and self.spec.focal_column and not self.guide.view.focal:
            raise ValueError(
                "A photo must have a focal length where others of the dataset have one, and no "
                "teacher knows its training's. Received: none by EXIF. Give it by --focal, such as "
                "--focal 26mm, or leave the photo out."
            )
        return focal

    def prepare(
        self, path: Path, name: str, source: str, rgb: np.ndarray, focal: float | None
    ) -> _Photo:
        """A photo cut to the guide's shape, unless a road's, whose height tells depth; shrunk."""
        view = self.guide.view
        height, width = rgb.shape[:2]
        rows, columns = height, width
        if view.horizon is None:
            rows = min(height, max(1, round(width / view.shape)))
            columns = min(width, max(1, round(height * view.shape)))
        top, left = (height - rows) // 2, (width - columns) // 2
        rgb = rgb[top : top + rows, left : left + columns]
        scale = min(1.0, self.settings.long_side / max(rows, columns))
        if scale < 1:
            rgb = resize_rgb(rgb, max(1, round(rows * scale)), max(1, round(columns * scale)))
        rgb = np.ascontiguousarray(rgb)
        return _Photo(path, name, source, rgb, focal * width / columns if focal else None)

    def write(self, photo: _Photo, label: Label) -> None:
        """Writes a photo's name, so that the files are its own; its row before the last file.

        Those that are there stay: they are of the same photo, and may have been corrected by hand.
        """
        rgb, depth, confidence = self.list_files(photo.name)
        height, width = photo.rgb.shape[:2]
        focal = photo.focal
        if self.guide.view.focal:
            focal = self.guide.lay_out(height, width, focal).focal
        kept = np.where(label.confidence >= self.settings.least_confidence, label.depth, 0)
        if self.spec.is_relative:
            kept = kept / max(kept.max(), 1e-6)
        too_far = kept > self.spec.max_depth
        if too_far.mean() > TOO_FAR:
            warnings.warn(
                f"Depth beyond {self.spec.max_depth:g} m, which the teachers learned, is left out. "
                "Through a long lens that may be most of it.",
                stacklevel=2,  # the same words once, for all photos
            )
        kept[too_far] = 0
        said = {"name": photo.name, "made": self.made, "saved": LABEL}
        said |= {"source": f"{photo.source} {self.made_of}"}
        self.summary.add(photo.path, said)
        if not rgb.exists():
            write_rgb(rgb, photo.rgb, QUALITY)
        if not depth.exists():
            write_depth(depth, kept, self.spec)
        known = kept[kept > 0]
        ends = np.percentile(known, (0, 50, 100)) if known.size else np.zeros(3)
        ends_row = zip(("nearest", "median", "farthest"), ends, strict=True)
        row: dict[str, object] = {key: f"{value:.4g}" for key, value in ends_row}
        row |= said | {"height": height, "width": width}
        row |= {"focal": f"{focal:.4g}" if focal else ""}
        row |= {"focal_from": "given" if photo.focal else "unknown"}
        self.summary.add(photo.path, row)
        if not confidence.exists():
            write_grey(confidence, np.rint(255 * label.confidence).astype(np.uint8))

    def close(self) -> None:
        """Writes the dataset's file and, but for a shard, the table of pairs, earlier ones too."""
        self.summary.close()
        rows = self.summary.rows.values()
        if not (self.out / NAME).exists() and _find_labelled(self.out, rows):
            write_dataset_file(self.spec, self.out / NAME)
        if self.is_whole:  # else `merge.merge_shards` does it after all shards
            write_labels(self.out, rows)


def _have_focals(photos: Iterable[Path], lens: FocalRequest) -> bool:
    """Whether a focal length is given, or a photo's EXIF says one."""
    if lens.unit != "exif":
        return lens.unit != "none"
    for photo in photos:
        with suppress(OSError, ValueError):  # whoever labels it says what is wrong
            check_file(photo)
            if find_lens(photo, lens).focal:
                return True
    return False


def _describe_labels(
    teachers: Sequence[DepthPredictor], name: str, has_focals: bool
) -> DatasetSpec:
    """How the labels of these teachers are stored. Errors: those of `find_unit`."""
    known: dict[str, Any] = {"scenes": "column:scene"}
    known |= {"focal_column": "focal"} if has_focals else {}
    if find_unit(teachers) == "relative":
        return make_spec(name, metres_per_count=None, **known)
    # Another project's network says no range: it follows those that do.
    ranges = (teacher.max_depth for teacher in teachers if teacher.unit == "metre")
    farthest = max(filter(math.isfinite, ranges), default=LONGEST)
    known |= {"metres_per_count": 1e-3 if farthest <= LONGEST else 1 / 256}
    known |= {"max_depth": min(farthest, 65535 * known["metres_per_count"])}
    return make_spec(name, **known)


def _read(
    photos: Sequence[Path],
    videos: Sequence[Path],
    names: Mapping[Path, str],
    folder: _Folder,
) -> Generator[_Photo | _Refused, None, None]:
    for path in photos:
        try:
            check_file(path)
            refused = folder.refuse(path, names[path])
            if refused is None:
                source, focal = note_files(path), folder.find_focal(path)
                yield folder.prepare(path, names[path], source, read_rgb(path), focal)
            else:
                yield refused
        except (OSError, ValueError) as error:
            yield _Refused(path, describe_error(error))
    for path in videos:
        try:
            check_file(path)
            yield from _read_video(path, names[path], folder)
        except (OSError, ValueError) as error:
            yield _Refused(path, describe_error(error))


def _read_video(path: Path, name: str, folder: _Folder) -> Generator[_Photo | _Refused, None, None]:
    # Here: it imports matplotlib, which photos do not need.
    from depthlib.video.frames import WHOLE, open_frames

    if path in folder.summary and folder.summary.is_changed(path, folder.made_of):
        yield _Refused(path, changed=True)  # its frames would be of two videos
        return
    source = note_files(path)
    # So that its name is taken.
    row = {"name": name, "made": folder.made, "saved": LABEL}
    folder.summary.add(path, row | {"source": f"{source} {folder.made_of}"})
    frames = open_frames(path)
    focal = folder.find_focal((frames.height, frames.width))
    number = -1
    for number, rgb in enumerate(frames):
        if number % folder.settings.every == 0:
            frame, called = path / f"{number:06d}", f"{name}/{number:06d}"
            yield folder.refuse(frame, called) or folder.prepare(frame, called, source, rgb, focal)
    if frames.count and number + 1 < WHOLE * frames.count:
        yield _Refused(path, f"ends here, {frames.count - number - 1} frames too early")
