"""How good predictions are: a row an image, means with intervals, trivial baselines to beat."""

import os
import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from depthlib.data.images import read_depth, read_pair, read_stored, resize_depth
from depthlib.data.inputs import name_photo
from depthlib.data.intrinsics import same_aspect
from depthlib.data.mixed_pairs import list_focals
from depthlib.data.pairs import Pairs, read_csv
from depthlib.data.scenes import KNOWN, TELL, UNKNOWN, describe_scenes
from depthlib.data.specs import DENSE_M256, INDOOR_MILLIMETRE
from depthlib.files import name_errors
from depthlib.metrics import (
    METRICS,
    EvaluationProtocol,
    align,
    bootstrap_interval,
    pooled_rmse,
    score,
)

# Photos and whether to average over flips in, depth maps of the photos' sizes out.
# A network that can tell what a lens does is given `focals` too: see `see_through_lenses`.
Predict = Callable[[Sequence[np.ndarray], bool], list[np.ndarray]]
# The same of the pairs at some indices, with their photos.
Look = Callable[[Sequence[int], Sequence[np.ndarray], bool], list[np.ndarray]]


def evaluate(
    predict: Predict,
    pairs: Pairs,
    protocol: EvaluationProtocol,
    alignment: str = "none",
    batch_size: int = 8,
    name: str = "evaluate",
) -> pd.DataFrame:
    """Scores of `predict` on each pair: a row an image with rgb, scene, METRICS and pixels.

    A network sees each photo through the lens that the photo's dataset says, unless it was given a
    focal length itself, as by `Predictor(focal=...)`.
    The column scenes says whether scenes are known, as `Pairs.scenes` does.
    name: what the progress bar calls it.
    Errors: ValueError for relative depth that is not aligned, for pairs that are packed or without
    depth, and for focal lengths in the CSV that no lens has; what `images` raises for bad files.
    """
    tables = evaluate_all(predict, pairs, [protocol], [alignment], batch_size, name)
    return tables[protocol.name, alignment]


def evaluate_all(
    predict: Predict,
    pairs: Pairs,
    protocols: Sequence[EvaluationProtocol],
    alignments: Sequence[str],
    batch_size: int = 8,
    name: str = "evaluate",
) -> dict[tuple[str, str], pd.DataFrame]:
    """`evaluate` by each protocol with each alignment: a table for each (protocol, alignment).

    A photo is read once and predicted once, and once more where a protocol averages over flips.
    """
    pairs.refuse_without_maps()
    _check_units(unit_of(predict), pairs, alignments, name)
    look = see_through_lenses(predict, pairs)
    return _score_all(look, pairs, protocols, alignments, batch_size, name)


def see_through_lenses(predict: Predict, pairs: Pairs) -> Look:
    """`predict`, which is told the focal length of each photo where it can tell what that does.

    What comes back takes the photos' places in `pairs`, the photos, and whether to average flips.
    Networks have `view`, what they learned from, and `focal`, what they were given for all photos;
    any other function takes photos alone.
    """
    call: Callable[..., list[np.ndarray]] = predict
    is_told = getattr(predict, "focal", None) is not None
    if is_told or getattr(getattr(predict, "view", None), "focal", None) is None:
        return lambda indices, photos, flip: call(photos, flip)
    focals = list_focals(pairs)
    return lambda indices, photos, flip: call(photos, flip, [focals[index] for index in indices])


def unit_of(predict: Predict) -> str:
    """The unit of what is predicted, as a network and a trivial baseline say it; else "metre"."""
    return getattr(predict, "unit", "metre")


def _check_units(unit: str, pairs: Pairs, alignments: Sequence[str], name: str) -> None:
    """Accepts what may be compared: two depths in metres, or an alignment. Else ValueError."""
    if "none" not in alignments or (unit == "metre" and not pairs.spec.is_relative):
        return
    usual = "disparity" if unit == "disparity" else "median"
    raise ValueError(
        "Relative depth must be aligned before it is compared. Received: alignment none, "
        f"{name} with depth in the unit {unit!r}, and true depth in {pairs.spec.unit!r} "
        f"({pairs.spec.name}). Use {usual}: ALIGNMENT of a notebook, --align of the command."
    )


def align_maps(predict: Predict, pairs: Pairs, alignment: str = "none") -> list[np.ndarray]:
    """The depth of each photo, float32 at its size, aligned to its truth as a whole, to be shown.

    It is seen through the lens with which `evaluate` scores it. pairs: few, which are read at once.
    Errors: those of `Pairs.load`, `metrics.align`, and of focal lengths as in `evaluate`.
    """
    photos, truths = pairs.load()
    depths = see_through_lenses(predict, pairs)(range(len(pairs)), photos, False)
    return [
        align(truth, depth, alignment, max_depth=float(truth.max())).astype(np.float32)
        for truth, depth in zip(truths, depths, strict=True)
    ]


def evaluate_files(
    folder: Path | str,
    pairs: Pairs,
    protocol: EvaluationProtocol,
    alignments: Sequence[str],
    depth_scale: float | None = None,
    check_photos: Callable[[Iterable[tuple[Path, Path]]], None] | None = None,
) -> dict[tuple[str, str], pd.DataFrame]:
    """`evaluate_all` of depth in files, which any tool wrote: one protocol, without flips.

    folder: holds a file a photo, called as the photo (its stem, or more of its path), perhaps with
    _depth, _depth_mm, _depth_m256 or _depth_relative behind it. .npy holds floats or counts, a
    16-bit .png counts. Their scale, metres a number, is what the file or its name says, or
    `depth_scale`; floats of which nothing says it are in metres. A map of another size is resized,
    bilinear, to its truth's, as the protocols have it, if it has its shape. 0 is unknown, such as
    the sky in what `depthlib predict` writes of a road: such pixels are not scored, and the column
    known has the share of an image's valid pixels that are. A network is scored on all of them, the
    sky by what it gives.
    check_photos: takes each file with its photo, and raises ValueError where they do not belong
    together: `prediction.outputs.check_photos`.
    Errors: FileNotFoundError that names the photos without a file; ValueError for a file of two
    photos, of no depth map, of another shape, all unknown, of counts without a scale or of two, for
    pairs that are packed, without depth or listed twice, and for files of disparity.
    """
    pairs.refuse_without_maps()
    _refuse_twins(pairs)
    paths = _find_maps(Path(folder), pairs)
    if check_photos:
        check_photos((path, pairs.rgb_path(index)) for index, path in enumerate(paths))
    _refuse_disparity(paths, pairs, depth_scale, alignments)
    protocol = replace(protocol, flip_average=False)

    def look(indices: Sequence[int], photos: Sequence[np.ndarray], flip: bool) -> list[np.ndarray]:
        sizes = [photo.shape[:2] for photo in photos]
        return [
            _read_map(paths[index], size, depth_scale, alignments)
            for index, size in zip(indices, sizes, strict=True)
        ]

    return _score_all(look, pairs, [protocol], alignments, has_unknown=True)


def _score_all(
    look: Look,
    pairs: Pairs,
    protocols: Sequence[EvaluationProtocol],
    alignments: Sequence[str],
    batch_size: int = 8,
    name: str = "evaluate",
    has_unknown: bool = False,
) -> dict[tuple[str, str], pd.DataFrame]:
    """The tables of what `look` gives for the pairs at some indices, their photos, and flips."""
    _refuse_twins(pairs)
    relative = pairs.spec.is_relative
    names = [protocol.name for protocol in dict.fromkeys(protocols)]
    if len(set(names)) < len(names):
        raise ValueError(
            "Protocols must have names of their own. Received: two that differ and are called "
            f"{max(names, key=names.count)}. Change the name too: replace(protocol, name=...)."
        )
    ways = list(dict.fromkeys(product(protocols, alignments)))  # what is asked for twice, once
    rows: dict[tuple[str, str], list[dict[str, float]]] = {
        (protocol.name, alignment): [] for protocol, alignment in ways
    }
    for start in tqdm(range(0, len(pairs), batch_size), name):
        indices = range(start, min(start + batch_size, len(pairs)))
        loaded = [
            read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
            for index in indices
        ]
        photos, truths = zip(*loaded, strict=True)
        flips = {protocol.flip_average for protocol in protocols}
        predictions = {flip: look(indices, photos, flip) for flip in flips}
        for protocol, alignment in ways:
            predicted = predictions[protocol.flip_average]
            for index, truth, prediction in zip(indices, truths, predicted, strict=True):
                try:
                    row = score(truth, prediction, protocol, alignment, relative, has_unknown)
                except ValueError as error:
                    raise ValueError(f"{pairs.rgb_path(index)}: {error}") from error
                rows[protocol.name, alignment].append(row)
    images = pairs.table[["rgb", "scene"]].assign(scenes=pairs.scenes)
    return {way: pd.concat([images, pd.DataFrame(table)], axis=1) for way, table in rows.items()}


def summarise(scores: dict[str, pd.DataFrame], seed: int = 0) -> pd.DataFrame:
    """A row a model: mean of each metric over images, `<metric>_low` and `_high` at 95 %.

    Intervals are bootstrapped over scenes; `scenes` says how many there are, or that they are
    unknown: then over photos, and too narrow where several show one place. `known` is the mean
    share of the pixels that a model knows, where it does not know all. `rmse_pooled` is over all
    pixels at once, to compare with DenseDepth's released code.
    """
    rows = []
    for model, table in scores.items():
        metrics = [metric for metric in METRICS if metric in table]
        row = {"model": model, **table[metrics].mean()}
        row["images"] = len(table)
        row["scenes"] = describe_scenes(_source_of(table), table["scene"].nunique())
        if _has_unknown(table):
            row["known"] = table["known"].mean()
        for metric in metrics:
            low, high = bootstrap_interval(table[metric], table["scene"], seed)
            row |= {f"{metric}_low": low, f"{metric}_high": high}
        if "rmse" in table:
            row["rmse_pooled"] = pooled_rmse(table["rmse"], table["pixels"])
        rows.append(row)
    return pd.DataFrame(rows)


def summarise_all(
    scores: dict[str, dict[tuple[str, str], pd.DataFrame]], seed: int = 0
) -> pd.DataFrame:
    """`summarise` of what `evaluate_all` gave: a row a model, protocol and alignment."""
    summaries = []
    for model, tables in scores.items():
        for (protocol, alignment), table in tables.items():
            summary = summarise({model: table}, seed)
            summary.insert(1, "protocol", protocol)
            summary.insert(2, "alignment", alignment)
            summaries.append(summary)
    return pd.concat(summaries, ignore_index=True)


# What tells how good a model is, and its heading: the last counts where scales are not known.
SHOWN = {"delta1": "δ1", "abs_rel": "AbsRel", "rmse": "RMSE (m)", "silog": "SILog"}


def keep_few(summary: pd.DataFrame) -> pd.DataFrame:
    """The columns of a summary that tell most, to three digits."""
    shown = [metric for metric in SHOWN if metric in summary]
    columns = ["known"] if "known" in summary else []
    columns += [f"{metric}{end}" for metric in shown for end in ("", "_low", "_high")]
    return summary[["model", "protocol", "alignment", "images", *columns]].round(3)


def tabulate(summary: pd.DataFrame) -> pd.DataFrame:
    """A summary to be read: a column a metric, mean [low, high], and over which scenes."""

    def write(row: Mapping[Hashable, float], metric: str) -> str:
        low, high = row[f"{metric}_low"], row[f"{metric}_high"]
        interval = "" if np.isnan(low) else f" [{digits(low)}, {digits(high)}]"
        return digits(row[metric]) + interval  # a single scene has none

    def digits(value: float) -> str:
        return f"{value:.{3 if value < 1 else 2 if value < 10 else 1}f}"

    table = summary[[name for name in ("model", "alignment", "images") if name in summary]].copy()
    table["images"] = [
        f"{count} ({scenes})"
        for count, scenes in zip(summary["images"], summary["scenes"], strict=True)
    ]
    if "known" in summary:
        table["known"] = [f"{share:.2%}" for share in summary["known"]]
    for metric, heading in SHOWN.items():
        if metric in summary:
            table[heading] = [write(row, metric) for row in summary.to_dict("records")]
    return table


def explain_scenes(table: pd.DataFrame) -> str:
    """What is to be said under intervals over the scenes of a table of scores; "" where known."""
    if _source_of(table) == KNOWN:
        return ""
    return (
        "Scenes are unknown, so that intervals are over "
        f"{'photos' if _source_of(table) == UNKNOWN else 'groups of like frames'}: too narrow "
        f"where several show one place. To tell them, {TELL}."
    )


def explain_unknown(table: pd.DataFrame) -> str:
    """What is to be said under scores of depth that is unknown in places; "" where it is not."""
    if not _has_unknown(table):
        return ""
    unknown = 1 - table["known"]
    return (
        f"Depth is 0, unknown, in {unknown.mean():.2%} of an image's pixels on average, and in "
        f"{unknown.max():.2%} at most. Scores are over the others alone: who leaves out more has "
        "the easier task. A network is scored on all pixels."
    )


def _has_unknown(table: pd.DataFrame) -> bool:
    return "known" in table and bool((table["known"] < 1).any())


def _source_of(table: pd.DataFrame) -> str:
    return str(table["scenes"].iat[0]) if "scenes" in table else KNOWN


read_pairs = read_csv  # as it was called here


def fit_trivial_baselines(training: Pairs, most: int = 2000) -> dict[str, Predict]:
    """What needs no photo at all: `mean_map`, training's mean log depth at each pixel, `constant`.

    A network that does not beat them has learned nothing. At most `most` maps, evenly spaced, are
    read. Constant is the median of their pixels. Errors: those of `images.read_depth`; ValueError
    for pairs that are packed or without depth.
    """
    training.refuse_without_maps()
    spec = training.spec
    indices = np.linspace(0, len(training) - 1, min(most, len(training))).astype(int)
    maps = np.stack(
        [
            resize_depth(read_depth(training.depth_path(index), spec), 120, 160, spec.sparse)
            for index in tqdm(indices, "mean map")
        ]
    )
    log_depth = np.log(np.where(maps > 0, maps, np.nan))
    median = np.nanmedian(maps[maps > 0])
    measured = np.isfinite(log_depth).any(axis=0)
    mean = np.full(maps.shape[1:], median, np.float32)
    mean[measured] = np.exp(np.nanmean(log_depth[:, measured], axis=0))
    maps_shown = {"mean_map": mean, "constant": np.full((2, 2), median)}
    return {name: MapBaseline(shown, spec.unit) for name, shown in maps_shown.items()}


@dataclass(frozen=True, eq=False)
class MapBaseline:
    """Predicts `depth` (height, width), resized, for any photo; `unit` as networks have it."""

    depth: np.ndarray
    unit: str

    def __call__(
        self, photos: Sequence[np.ndarray], flip_average: bool = False
    ) -> list[np.ndarray]:
        """Depth float32 (height, width) of each photo (height, width, 3), whatever it shows."""
        shown = (self.depth + self.depth[:, ::-1]) / 2 if flip_average else self.depth
        shown = shown.astype(np.float32)
        return [cv2.resize(shown, photo.shape[1::-1]) for photo in photos]


# Behind the name of a photo, in the names of files of depth that say their scale.
_SCALES = {"_mm": INDOOR_MILLIMETRE.scale, "_m256": DENSE_M256.scale}
_TURNED = -0.5  # Spearman's rank correlation of depth with true depth: below, it is none
_ABSURD = 20  # times the true depth, or one part of so many: another unit
_LOOKED_AT = 16  # files, at most, to tell whether they hold depth
_ENDING = re.compile("(.*?)(?:_depth(_mm|_m256|_relative)?)?", re.S)  # a name may have lines


def _find_maps(folder: Path, pairs: Pairs) -> list[Path]:
    """The file of depth of each pair."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}. Give the one that holds the depth.")
    files: dict[str, Path] = {}
    others: dict[Path, Path] = {}  # which may be of the same photo, in the same format
    # A folder may hold the photos as well, or their true depth.
    listed = product((pairs.rgb_path, pairs.depth_path), range(len(pairs)))
    own = {os.path.realpath(find(index)) for find, index in listed}
    there = sorted(folder.rglob("*"))
    for suffix in (".png", ".npy"):  # the latter hold more, so they count where there are both
        for path in there:
            if path.suffix.lower() != suffix or os.path.realpath(path) in own:
                continue
            place = path.relative_to(folder).with_suffix("").as_posix()
            name = _ENDING.fullmatch(place)[1]  # type: ignore[index]
            if name in files and files[name].suffix.lower() == suffix:
                others[path] = files[name]
            files[name] = path
    photos = [str(photo) for photo in pairs.table["rgb"]]
    found = [_find_map(Path(photo), files) for photo in photos]
    missing = [photo for photo, path in zip(photos, found, strict=True) if not path]
    if missing:
        raise FileNotFoundError(
            f"Each photo must have its depth in {folder}. Received: none for {len(missing)} of "
            f"{len(pairs)} photos: {', '.join(missing[:10])}{', ...' * (len(missing) > 10)}. Call "
            "them as the photos are, 00000_colors.npy or 00000_colors_depth_mm.png."
        )
    paths = [path for path in found if path]
    if doubtful := next((path for path in paths if path in others), None):
        raise ValueError(
            "Each photo must have one file of its depth. Received: "
            f"{others[doubtful]} and {doubtful}. Remove one of them."
        )
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice:
        alike = [photo for photo, path in zip(photos, paths, strict=True) if path == twice]
        raise ValueError(
            f"Each photo must have a file of its own. Received: {twice} for {', '.join(alike)}. "
            "Put the files into folders as the photos are."
        )
    return paths


def _refuse_twins(pairs: Pairs) -> None:
    """Errors: ValueError where a photo and its map are listed twice: they would count twice."""
    names = pairs.table[["rgb", "depth"]].map(lambda name: Path(name).as_posix())  # not ./a.jpg
    twins = names["rgb"][names.duplicated()]
    if len(twins):
        raise ValueError(
            f"Each pair must be scored once. Received: {twins.iat[0]} of {pairs.root} in several "
            f"rows, and {len(twins) - 1} others. Remove these rows from the CSV."
        )


def _refuse_disparity(
    paths: Sequence[Path], pairs: Pairs, depth_scale: float | None, alignments: Sequence[str]
) -> None:
    """Errors: ValueError where in most of the files what is farther has less depth: disparity."""
    found, ratios = {}, []
    for index in range(0, len(pairs), -(-len(pairs) // _LOOKED_AT)):
        photo, truth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
        depth = _read_map(paths[index], photo.shape[:2], depth_scale, alignments)
        known = np.flatnonzero((truth > 0) & (depth > 0))
        known = known[:: 1 + len(known) // 10_000]  # pixels tell as much as all of them
        ranks = pd.DataFrame({"truth": truth.flat[known], "depth": depth.flat[known]}).rank()
        found[paths[index]] = ranks["truth"].corr(ranks["depth"])
        ratios.append(np.median(depth.flat[known] / truth.flat[known]) if len(known) else 1.0)
    ratio = float(np.median(ratios))
    if "none" in alignments and not 1 / _ABSURD < ratio < _ABSURD:
        warnings.warn(
            f"Depth in {paths[0].parent} is {ratio:.3g} times the true depth: it seems to be in "
            "another unit than metres. Give --depth-scale, the metres of one number.",
            stacklevel=3,
        )
    correlations = pd.Series(found).dropna()  # a constant map has none
    if correlations.median() < _TURNED:
        raise ValueError(
            "Depth must grow with the distance. Received: a rank correlation with true depth of "
            f"{correlations.min():.2f} in {correlations.idxmin()}, and below {_TURNED} in most of "
            "the files. They look like disparity, or inverse depth: write 1 / disparity; where its "
            "scale and shift are unknown, add --align disparity."
        )


def _find_map(photo: Path, files: Mapping[str, Path]) -> Path | None:
    """The file that says most of a photo's path."""
    parts = photo.with_suffix("").parts
    nested = ["/".join(parts[start:]) for start in range(len(parts))]
    names = [*nested[:-1], *reversed(list(name_photo(photo)))]
    return next((files[name] for name in names if name in files), None)


def _read_map(
    path: Path, size: tuple[int, int], depth_scale: float | None, alignments: Sequence[str]
) -> np.ndarray:
    """A map of depth float32 of `size`, in metres, or relative where that is aligned."""
    values = read_stored(path)
    texts = _read_texts(path) if path.suffix.lower() == ".png" else {}
    is_count = values.dtype.kind in "iu" and values.itemsize > 1
    if values.ndim != 2 or not values.size or not (is_count or values.dtype.kind == "f"):
        raise ValueError(
            "A depth map must be (height, width) of floating-point metres or of 16-bit counts. "
            f"Received: {values.dtype} {values.shape} in {path}. Write it so."
        )
    height, width = values.shape
    if not same_aspect(height, width, *size):
        raise ValueError(
            "A depth map must have its photo's shape. Received: "
            f"{height}x{width} in {path} for a photo of {size[0]}x{size[1]}. "
            "Bring it to the photo's view."
        )
    said = _ENDING.fullmatch(path.stem)[2] or ""  # type: ignore[index]
    is_relative = said == "_relative" or texts.get("unit") == "relative"
    if is_relative and "none" in alignments:
        raise ValueError(
            f"Relative depth must be aligned before it is compared. Received: {path}. Use --align "
            "median."
        )
    if not is_relative:
        said_by = {
            "its text depth_scale_metres": texts.get("depth_scale_metres"),
            "its name": _SCALES.get(said),
            "--depth-scale": depth_scale,
        }
        values = values * _choose_scale(said_by, is_count, path)
    depth = values.astype(np.float32)
    if not np.isfinite(depth).all() or depth.min() < 0:
        raise ValueError(
            f"Depth must be finite and at least 0. Received: {depth.min()} to {depth.max()} in "
            f"{path}. Use 0 where it is unknown."
        )
    return depth if depth.shape == size else _resize_known(depth, size)


def _resize_known(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth at another size, bilinear over what is known; 0 where half or more of it is unknown."""
    known = (depth > 0).astype(np.float32)
    shown, share = (
        cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR) for values in (depth, known)
    )
    return shown if known.all() else np.where(share > 0.5, shown / np.maximum(share, 0.5), 0)


def _choose_scale(said_by: Mapping[str, float | str | None], is_count: bool, path: Path) -> float:
    """The metres of a number in a file: what all say that say any; without, a float is in metres.

    Errors: ValueError where two say another, or none does of counts.
    """
    scales = {who: _check_scale(said, path) for who, said in said_by.items() if said is not None}
    if not scales and is_count:
        raise ValueError(
            f"Counts must have a scale. Received: none for {path}. Give --depth-scale, the metres "
            "of one count: 0.001 for millimetres."
        )
    lowest, highest = min(scales.values(), default=1.0), max(scales.values(), default=1.0)
    if highest > 1.001 * lowest:
        found = ", ".join(f"{scale:g} by {who}" for who, scale in scales.items())
        raise ValueError(
            f"A file of depth must have one scale. Received: {found}, for {path}. Leave out or "
            "correct what is wrong."
        )
    return next(iter(scales.values()), 1.0)


def _check_scale(scale: float | str, path: Path) -> float:
    """The metres of a count, as a user or a file says them. Errors: ValueError for what is none."""
    try:
        metres = float(scale)
    except ValueError:
        metres = 0.0
    if not 0 < metres < np.inf:
        raise ValueError(
            f"A count must be a number of metres above 0. Received: {scale!r} for {path}. Use "
            "0.001 for millimetres."
        )
    return metres


def _read_texts(path: Path) -> dict[str, str]:
    """What a PNG says beside its pixels, which Pillow would read without their checksums."""
    with name_errors(path, "Depth in a .png file must be a PNG."), Image.open(path) as image:
        return {str(key): str(text) for key, text in image.info.items()}
