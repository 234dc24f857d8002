"""A folder of photos and depth maps as a dataset: found, its encoding told, split, written."""

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from depthlib.data.checks import check_pairs
from depthlib.data.csv_tables import read_pair_table
from depthlib.data.dataset_file import (
    NAME,
    describes_dataset,
    find_dataset_file,
    name_after,
    read_dataset_file,
    write_dataset_file,
)
from depthlib.data.encodings import guess_encoding
from depthlib.data.images import read_size
from depthlib.data.inputs import AreOutputs
from depthlib.data.layouts import TOLERANCE, Layout, find_layout, side_of
from depthlib.data.lenses import find_lens, parse_focal
from depthlib.data.pairs import Pairs, choose_spec, find_pairs, format_pairs
from depthlib.data.scenes import KNOWN, TELL, describe_scenes, tell_scenes
from depthlib.data.shards import Shard, hash_texts
from depthlib.data.specs import (
    KITTI_IMPROVED,
    KITTI_RAW,
    NYU_LABELLED,
    NYU_TEST,
    NYU_TRAIN,
    SPECS,
    DatasetSpec,
)
from depthlib.data.splits import group_unknown, split_by_scene, split_last, warn_of_near_copies
from depthlib.files import PAIRS, check_ours, find_kind, is_kind, write_ours

_KNOWN = {  # by the names of their CSVs; told by the names of their folders
    "nyu2_train": NYU_TRAIN,
    "nyu2_test": NYU_TEST,
    "nyu_labelled": NYU_LABELLED,
    "kitti_raw": KITTI_RAW,
    "kitti_improved": KITTI_IMPROVED,
}
_SIDES = ("train", "val", "test")
_UNNAMED = "dataset"
_COLUMN = "column:scene"  # that of the CSVs that are written
_ENCODING = ("metres_per_count", "encoding", "focal_baseline", "invalid_counts")  # of depth
_FOCAL = "focal"  # their column of focal lengths
_SAME = 1.002  # times another focal length: one and the same


@dataclass(frozen=True)
class Dataset:
    """The pairs of a folder by side, which is the name of its CSV: pairs, or train, val and test.

    `folder`: the one that was asked for, outside of which photos may lie. `left`: file and problem
    of what is left out. `notes` say what was taken, and how surely. `out`: the folder of its CSVs
    and its dataset.json; None: `folder`.
    """

    folder: Path

    sides: Mapping[str, Pairs]
    left: pd.DataFrame
    notes: tuple[str, ...] = ()
    out: Path | None = None

    @property
    def place(self) -> Path:
        """The folder of its CSVs and its dataset.json."""
        return self.out or self.folder

    @property
    def first(self) -> Pairs:
        """The pairs that train."""
        return next(iter(self.sides.values()))


def find_dataset(
    folder: Path | str,
    photos: str | None = None,
    depth: str | None = None,
    spec: DatasetSpec | Path | str | None = None,
    tolerance: float = TOLERANCE,
    out: Path | str | None = None,
    are_outputs: AreOutputs | None = None,
) -> Dataset:
    """The pairs in `folder`, which scenes they show, and how their depth is stored.

    photos, depth, tolerance, are_outputs: see `layouts.find_layout`. spec: as `pairs.read_csv`
    takes it; None: that of a dataset.json in `out`, where the CSVs are to be, or in the folder, or
    of an Ultralytics YAML there; else a guess, which the notes name.
    NYU's and KITTI's own folders are known by their names.
    Errors: those of `find_layout` and of `guess_encoding`; ValueError where folders say of some
    photos alone whether they train or test.
    """
    folder, place = Path(folder), Path(out or folder)
    if photos is None and depth is None and spec is None:
        known = _find_known(folder)
        if known:
            return replace(known, out=place)
    layout = find_layout(folder, photos, depth, tolerance, are_outputs)
    notes = [f"{'Layout, certain' if layout.is_certain else 'Layout, likely'}: {layout}"]
    said = spec or _find_description(place, folder)
    chosen = choose_spec(said, folder / NAME)
    if chosen is None:
        chosen = _guess(layout, folder, notes)
    else:
        notes.append(f"Encoding, as {getattr(said, 'name', said)} says.")
    pairs = _tell_scenes(layout, chosen, notes)
    _refuse_nested(layout, pairs.spec, (folder, place))
    sides = _split_as_folders(pairs)
    notes += _note_shared_scenes(sides)
    return Dataset(folder, sides, layout.left, tuple(notes), place)


def check_dataset(
    dataset: Dataset, check: int | str | None, shard: Shard | None = None
) -> tuple[Dataset, pd.DataFrame, pd.DataFrame]:
    """The dataset of sound pairs, problems, and a summary: `check_pairs` of each side.

    check: how many pairs of each side are decoded; "all" or None: all; "headers": none. All
    headers are read. A side without a sound pair is left out. shard: checks the pairs of this part
    alone, which may be none. Errors: ValueError for another word, and where no pair is sound.
    """
    most = {"all": None, "headers": 0}.get(check, check) if isinstance(check, str) else check
    if isinstance(most, str) or (most is not None and most < 0):
        raise ValueError(
            f"`check` must be a number, 'headers' or 'all'. Received: check={check!r}."
        )
    sides: dict[str, Pairs] = {}
    problems, summaries = [], []
    for name, pairs in dataset.sides.items():
        photos = pairs.table["rgb"].astype(str)
        chosen = None if shard is None else shard.choose(hash_texts(photos))
        sound, problem, summary = check_pairs(pairs, most, chosen)
        sides |= {name: sound} if len(sound) else {}
        problems.append(problem)
        summaries.append(summary.set_axis([name]))
    found = pd.concat(problems, ignore_index=True)
    if shard is None:
        refuse_empty(sides, dataset.first.root, list(found["problem"]))
    return replace(dataset, sides=sides), found, pd.concat(summaries)


def refuse_empty(sides: Mapping[str, Pairs], root: Path, problems: Sequence[str]) -> None:
    """Errors: ValueError where no side is left."""
    if not sides:
        raise ValueError(
            f"A pair must be sound. Received: none of {len(problems)} in {root}. The first "
            f"problem: {''.join(problems[:1]) or 'there is no pair'}"
        )


def set_test_aside(dataset: Dataset, share: float, seed: int = 0) -> Dataset:
    """The dataset with `share` of its pairs as test, where its folders say no sides; 0: as it is.

    Whole scenes where two or more are known. Else the last pairs in their order, which may show the
    same place: a note says so, and a warning counts near-copies that train. What train.csv and
    test.csv in the dataset's place list already stays on its side, as a network may have learned
    from it. Errors: ValueError where that leaves a side empty.
    """
    if not share or len(dataset.sides) > 1:
        return dataset
    pairs = dataset.first
    tests = _keep_sides(pairs, dataset.place, share, seed)
    are_told = pairs.scenes == KNOWN and pairs.table["scene"].nunique() > 1
    if tests is not None:
        train, test = (pairs.select(np.flatnonzero(tests == is_test)) for is_test in (False, True))
        note = (
            f"Test: {len(test)} pairs. What {dataset.place} lists in train.csv and test.csv stays "
            "there; remove both to draw anew."
        )
    elif are_told:
        train, test = split_by_scene(pairs, seed, share)
        note = f"Test: {test.table['scene'].nunique()} scenes that do not train."
    else:
        train, test = split_last(pairs, share)
        note = f"Test: the last {len(test)} pairs."
    both = set(train.table["scene"]) & set(test.table["scene"])
    if both and are_told:
        note += f" {len(both)} scenes are on both sides, such as {min(both)}: figures are too good."
    elif not are_told:
        note += (
            " They may show the place that trains: the figures say how well the network knows it, "
            "not how well it does elsewhere."
        )
    warn_of_near_copies(train, test)
    return replace(dataset, sides={"train": train, "test": test}, notes=(*dataset.notes, note))


def add_focal(dataset: Dataset, focal: str | float | None) -> Dataset:
    """The dataset whose specs know their camera; focal: as `lenses.parse_focal` takes it.

    "exif": each photo's own; None: the dataset as it is. Where photos have several, as those of one
    lens in several shapes, they are a column of the CSV, in pixels.
    Errors: those of `find_lens`; ValueError where some photos say none.
    """
    request = parse_focal(focal)
    shares = {
        name: [find_lens(pairs.rgb_path(row), request).focal for row in range(len(pairs))]
        for name, pairs in dataset.sides.items()
    }
    known = [share for side in shares.values() for share in side if share]
    if not known:
        return dataset
    for name, pairs in dataset.sides.items():
        if not all(shares[name]):
            raise ValueError(
                "All photos must say their focal length, or none. Received: "
                f"{pairs.rgb_path(shares[name].index(None))}, which does not. Say one for all."
            )
    if max(known) <= _SAME * min(known):
        return _change(
            dataset,
            lambda name, pairs: replace(
                pairs, spec=replace(pairs.spec, focal=known[0], focal_column=None)
            ),
        )

    def add(name: str, pairs: Pairs) -> Pairs:
        widths = [read_size(pairs.rgb_path(row))[1] for row in range(len(pairs))]
        table = pairs.table.assign(**{_FOCAL: np.round(np.array(shares[name], float) * widths, 3)})
        return replace(
            pairs, table=table, spec=replace(pairs.spec, focal=None, focal_column=_FOCAL)
        )

    note = (
        f"Focal lengths: {min(known):.3g} to {max(known):.3g} of the width, in the CSV's column "
        f"{_FOCAL}, in pixels."
    )
    return replace(_change(dataset, add), notes=(*dataset.notes, note))


def _change(dataset: Dataset, change: Callable[[str, Pairs], Pairs]) -> Dataset:
    return replace(dataset, sides={n: change(n, pairs) for n, pairs in dataset.sides.items()})


def _keep_sides(pairs: Pairs, place: Path, share: float, seed: int) -> np.ndarray | None:
    """Of each pair whether it tests, bool (pairs,), by an earlier split; None without one.

    One whose test.csv is gone is one too, unless train.csv lists all pairs: then none has tested.
    New scenes, or where they are unknown the last new pairs, test until they are `share` of all.
    """
    train, test = (
        pairs.table["rgb"].isin(read_pair_table(path)["rgb"]).to_numpy(copy=True)
        if (path := place / f"{side}.csv").is_file()
        else np.zeros(len(pairs), bool)
        for side in ("train", "test")
    )
    if not train.any() or (train.all() and not (place / "test.csv").is_file()):
        return None
    if pairs.scenes == KNOWN:
        scenes = pairs.table["scene"]
        test |= scenes.isin(scenes[test]).to_numpy() & ~train
        new = scenes[~scenes.isin(scenes[test | train]).to_numpy()].unique()
        count = math.ceil(share * scenes.nunique()) - scenes[test].nunique()
        drawn = np.random.default_rng(seed).permutation(new)[: max(count, 0)]
        test |= scenes.isin(drawn).to_numpy()
    else:
        new = np.flatnonzero(~test & ~train)
        count = round(share * len(pairs)) - int(test.sum())
        test[new[len(new) - max(min(count, len(new)), 0) :]] = True
    if test.all() or not test.any():
        raise ValueError(
            "A split must leave a pair on each side. Received: "
            f"{place / 'train.csv'} and test.csv, of which one side is left in {pairs.root}. "
            "Remove both to draw anew."
        )
    return test


def write_dataset(dataset: Dataset, out: Path | str | None = None) -> list[Path]:
    """Writes a CSV a side, and dataset.json unless the spec is a known one; their paths.

    out: the folder; None: the dataset's own. A dataset.json that is there stays, unless other
    words were given now: a focal length, a pattern with {scene}, another spec.
    Errors: PermissionError where it cannot be written, and FileExistsError for a table of one's own
    (`files.write_ours`), or one whose scenes are not known now, with what to do; ValueError for a
    folder with another dataset, or with other photos that would be taken for these, and for focal
    lengths that were a column of an earlier CSV and are not known now.
    """
    written = []
    place = Path(out or dataset.place)
    _refuse_lost_focal(dataset)
    paths = {name: place / f"{name}.csv" for name in dataset.sides}
    kind = _name_kind(dataset, place)
    for name, pairs in dataset.sides.items():  # all, before the first is written
        check_ours(paths[name], format_pairs(pairs) if kind == PAIRS else None, kind)
        _keep_scenes(paths[name], pairs)
    _refuse_others(dataset, place, kind)
    _refuse_change(dataset, place, set(paths.values()))
    for name, pairs in dataset.sides.items():
        path = paths[name]
        file = find_dataset_file(path) or path.with_name(NAME)
        written.append(path)
        try:
            # First: a run that is stopped leaves no table whose scenes nothing explains.
            if pairs.spec.scenes != "template" and not _says(file, pairs.spec):
                write_dataset_file(pairs.spec, file)
                written.append(file)
            write_ours(path, format_pairs(pairs), kind)
        except OSError as error:
            raise PermissionError(
                f"A folder must be one that can be written into. Received: {path.parent}: "
                f"{error.strerror}. Choose another one for the CSVs: OUT in make_dataset.ipynb, "
                "--out on the command line."
            ) from error
    return written


def _refuse_lost_focal(dataset: Dataset) -> None:
    """Errors: ValueError where a dataset.json names a column that there was and is not made now."""
    spec = dataset.first.spec
    if spec.focal_column and spec.focal_column not in dataset.first.table:
        raise ValueError(
            "`focal_column` must be a column of the CSV. Received: "
            f"{spec.focal_column!r} for {dataset.folder}, whose CSV is made anew. Say the focal "
            "length again (--focal, as 26mm, 518px or exif), or take it out of the dataset.json."
        )


def _name_kind(dataset: Dataset, place: Path) -> str:
    """As what a list is noted: beside its photos as any, elsewhere with their folder."""
    root = dataset.first.root
    if place.resolve() == root.resolve():
        return PAIRS
    whole = os.path.realpath(root)
    with suppress(ValueError):  # another drive
        whole = os.path.relpath(whole, os.path.realpath(place))
    return f"{PAIRS} of {Path(whole).as_posix()}".replace("\n", " ")


def _refuse_others(dataset: Dataset, place: Path, kind: str) -> None:
    """Errors: ValueError for a place with another dataset's CSVs, or with photos of these names."""
    photos = {str(name) for pairs in dataset.sides.values() for name in pairs.table["rgb"]}
    for path in (place / f"{name}.csv" for name in ("pairs", *_SIDES)):
        noted = find_kind(path)
        is_other = noted is not None and not is_kind(noted, kind)
        if is_other or (noted is not None and photos.isdisjoint(read_pair_table(path)["rgb"])):
            raise ValueError(
                "A folder must hold the CSVs of one dataset. Received: those of "
                f"{dataset.folder} for {place}, where {path.name} is a {noted or PAIRS}. Choose "
                "another folder, or remove what is there."
            )
    root, first = dataset.first.root, str(dataset.first.table["rgb"].iat[0])
    for folder in (place, place.parent):
        found = folder / first
        if found.is_file() and not found.samefile(root / first):
            raise ValueError(
                "A CSV must not lie where other photos would be taken for its own. Received: "
                f"{place} for photos of {root}, with {found} there too. Choose another folder."
            )


def _refuse_change(dataset: Dataset, place: Path, written: set[Path]) -> None:
    """Errors: ValueError where dataset.json would mean something else for a CSV that stays."""
    file = place / NAME
    if not file.is_file():
        return
    said, spec = read_dataset_file(file), dataset.first.spec
    changed = [f for f in (*_ENCODING, "depth_dtype") if getattr(said, f) != getattr(spec, f)]
    # In an earlier table the column scene holds groups of like frames.
    changed += ["scenes"] * (said.scenes == "unknown" != spec.scenes)
    for path in sorted(place.glob("*.csv")) if changed else ():
        if path not in written and find_dataset_file(path) == file and _lists_depth(path):
            raise ValueError(
                "A dataset.json must keep its meaning for all CSVs beside it. Received: another "
                f"{' and '.join(changed)} than in {file}, beside which {path.name} is. Remove or "
                "move that, or use another --out."
            )


def _lists_depth(path: Path) -> bool:
    """Whether a CSV is one of pairs, and no other table."""
    try:
        return "depth" in read_pair_table(path)
    except (OSError, ValueError):
        return False


def _says(file: Path, spec: DatasetSpec) -> bool:
    """Whether a dataset.json describes `spec`, and tells scenes where it does, in whichever way."""
    if not file.is_file():
        return False
    said = read_dataset_file(file)
    tells = said.scenes != "unknown" or spec.scenes == "unknown"
    return tells and replace(said, scenes=spec.scenes) == spec


def _keep_scenes(path: Path, pairs: Pairs) -> None:
    """Errors: FileExistsError where scenes were known, and those of `pairs` are not any more.

    A dataset.json says whether they were; without it, a table that has a column of them.
    """
    if pairs.scenes == KNOWN:
        return
    file = find_dataset_file(path)
    if file:
        was_known = read_dataset_file(file).scenes != "unknown"
    else:
        was_known = path.is_file() and "scene" in read_pair_table(path)
    if was_known:
        raise FileExistsError(
            f"Scenes that are known must not be lost. Received: {file or path}, which has scenes "
            "that are not known now. Give the same words as then; or, to give them up, move it or "
            'write "scenes": "unknown" into the dataset.json.'
        )


def describe_sides(dataset: Dataset, seed: int = 0, validation: float = 0.0) -> pd.DataFrame:
    """A row a side: pairs and scenes, with the part of the first side that would validate.

    Where it cannot be split, that is printed.
    """
    sides = dict(dataset.sides)
    if validation:
        name, first = next(iter(sides.items()))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the table says it
                training, validating = split_by_scene(first, seed, validation)
            sides = {f"{name}: training": training, f"{name}: validation": validating} | sides
            del sides[name]
        except ValueError as error:
            print(error)
    rows = {
        name: {
            "pairs": len(pairs),
            "scenes": describe_scenes(pairs.scenes, pairs.table["scene"].nunique()),
        }
        for name, pairs in sides.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _find_known(folder: Path) -> Dataset | None:
    """NYU's or KITTI's own folder."""
    sides, left, notes = {}, [], []
    for name, spec in _KNOWN.items():
        try:
            sides[name], lonely = find_pairs(folder, spec)
        except FileNotFoundError:
            continue
        left.append(lonely)
        notes.append(f"Layout and encoding, certain: {spec.name}, by the names of its folders.")
    if not sides:
        return None
    return Dataset(folder, sides, pd.concat(left, ignore_index=True), tuple(notes))


def _find_description(place: Path, folder: Path) -> Path | None:
    """A dataset.json in one of the folders, or the YAML of Ultralytics' layout."""
    found = find_dataset_file(place / "pairs.csv") or find_dataset_file(folder / "pairs.csv")
    if found or not all((folder / name).is_dir() for name in ("images", "depth")):
        return found
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    return next(filter(describes_dataset, files), None)


def _refuse_nested(layout: Layout, spec: DatasetSpec, own: Sequence[Path]) -> None:
    """Errors: ValueError where a folder below has a dataset.json that describes depth otherwise."""
    folders = {PurePosixPath(str(name)).parent for name in layout.table["depth"]}
    places = {layout.root / place for folder in folders for place in (folder, *folder.parents)}
    ours = {place.resolve() for place in own}
    for file in sorted(place / NAME for place in places if place.resolve() not in ours):
        if not file.is_file():
            continue
        said = read_dataset_file(file)
        differing = [f for f in _ENCODING if getattr(said, f) != getattr(spec, f)]
        if differing:
            told = ", ".join(f"{f}={getattr(said, f)}, not {getattr(spec, f)}" for f in differing)
            raise ValueError(
                f"A folder must hold one dataset. Received: {own[0]}, in which {file} says {told}. "
                "Give that folder by itself, or move it elsewhere."
            )


def _guess(layout: Layout, folder: Path, notes: list[str]) -> DatasetSpec:
    photos, maps = (
        [layout.root / str(name) for name in layout.table[column]] for column in ("rgb", "depth")
    )
    guess = guess_encoding(photos, maps)
    notes.append(str(guess))
    return guess.make_spec(name_after(folder) or _UNNAMED, scenes="template")


def _tell_scenes(layout: Layout, spec: DatasetSpec, notes: list[str]) -> Pairs:
    """The pairs with their scenes; frames that look alike as one where scenes are unknown."""
    # A pattern tells them; or a column does, but of CSVs that are to be made anew.
    if "scene" in layout.table or spec.scenes == _COLUMN:
        spec = replace(spec, scenes="template")
    table, scenes = tell_scenes(layout.table, layout.root, spec)
    pairs = group_unknown(Pairs(layout.root, table, spec, scenes))
    said = describe_scenes(pairs.scenes, pairs.table["scene"].nunique())
    if pairs.scenes == KNOWN:
        notes.append(f"Scenes: {said}, such as {pairs.table['scene'].iat[0]}.")
    else:
        notes.append(
            f"Scenes: {said}. Photos of one place may train and validate. To tell them, give a "
            f"pattern with {{scene}}, or {TELL}."
        )
    way = _COLUMN if pairs.scenes == KNOWN else "unknown"
    if spec.name in SPECS:  # its encoding, but neither its name nor its paths
        spec = replace(spec, name=name_after(layout.root) or _UNNAMED, photo="", depth="")
    return replace(pairs, spec=replace(spec, scenes=way))


def _split_as_folders(pairs: Pairs) -> dict[str, Pairs]:
    """The pairs by train, val and test, where folders say it; else all as "pairs".

    Errors: ValueError where they say it of some photos alone.
    """
    photos = pairs.table["rgb"].astype(str)
    sides = np.array([side_of(photo) for photo in photos])
    if not (sides != "").any():
        return {"pairs": pairs}
    if (sides == "").any():
        raise ValueError(
            "Where folders say which photos train and which test, they must say it of all. "
            f"Received: {photos[sides != ''].iat[0]}, and {np.count_nonzero(sides == '')} photos "
            f"of no side, such as {photos[sides == ''].iat[0]}. Move these into train/, val/ or "
            "test/, leave them out by a pattern for photos, or rename the other folders."
        )
    return {name: pairs.select(np.flatnonzero(sides == name)) for name in _SIDES if name in sides}


def _note_shared_scenes(sides: Mapping[str, Pairs]) -> list[str]:
    """How many photos of each side show a scene, or are like photos, of the side that trains."""
    training, *others = sides.items()
    seen = set(training[1].table["scene"])
    shared = {name: int(pairs.table["scene"].isin(seen).sum()) for name, pairs in others}
    return [
        f"Sides: {count} of {len(sides[name])} photos of {name} show a scene of {training[0]}, or "
        "look like its photos: figures on them are too good."
        for name, count in shared.items()
        if count
    ]
