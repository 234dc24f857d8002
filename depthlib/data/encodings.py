"""How unknown depth maps are encoded: what their numbers tell, and what speaks against a spec."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from depthlib.data.arrays import choose_array, is_array, list_arrays
from depthlib.data.dataset_file import make_spec
from depthlib.data.images import read_stored
from depthlib.data.specs import DatasetSpec

# Counts a metre that sensors and datasets use, the more usual first; see `_name`.
_INDOOR, _OUTDOOR = (1000, 5000, 4000, 10000, 256, 100), (256, 100, 1000)
_STEPS = {5: 5000, 4: 4000, 10: 10000}  # counts a metre, by what all counts are multiples of
_NAMES = {
    1000: "millimetres, as of most sensors",
    5000: "1/5000 m, as TUM's",
    4000: "1/4000 m",
    10000: "1/10000 m",
    256: "1/256 m, as KITTI's",
    100: "centimetres, as Virtual KITTI's",
}
# A Kinect measures disparity in whole steps, so that 1/depth is a grid: z = 351.3 / (1092.5 - K).
_KINECT = 351.3
# What wrote maps by the spec that it says. Their steps of disparity may look like a Kinect's: those
# in 1/256 m of a rig whose focal length times baseline is 84, like a Kinect's in millimetres.
_WROTE_MAPS = {"make_stereo_dataset.ipynb"}
_RANGES = (10.0, 20.0, 40.0, 80.0, 120.0, 250.0, 655.35)
_DISPARITY = {"disparity", "disparities", "disp"}
_FEW = 5  # maps: of fewer, a share says nothing


@dataclass(frozen=True)
class Guess:
    """How maps seem to be encoded.

    `fields` are those of a `DatasetSpec`, as a dataset.json has them. `sureness` is "certain",
    "likely" or "unsure". `reasons` say in words what speaks for it, and what against.
    """

    fields: dict[str, Any]
    sureness: str
    reasons: tuple[str, ...]

    def make_spec(self, name: str, **more: Any) -> DatasetSpec:
        """The spec of a dataset called `name`; `more` fields are said besides, or corrected.

        Errors: those of `make_spec`; ValueError, with the reasons, where maps seem to be disparity
        and `more` says no `focal_baseline`.
        """
        fields = self.fields | more
        if fields.get("encoding") == "disparity" and "focal_baseline" not in fields:
            said = json.dumps({"focal_baseline": "...", **fields})
            raise ValueError(
                f"Disparity becomes depth only by `focal_baseline`. Received: none for {name!r}. "
                f"{self} Write that into dataset.json: {said}"
            )
        return make_spec(name, **fields)

    def __str__(self) -> str:
        said = ", ".join(f"{field}={value}" for field, value in self.fields.items())
        return f"Encoding, {self.sureness}: {said}. " + " ".join(self.reasons)


@dataclass(frozen=True)
class _Look:
    """What a sample of maps shows, before anything is said about metres."""

    dtype: str
    numbers: np.ndarray  # up to some thousand measured ones of each map, float64, (n,)
    largest: np.ndarray  # of each map
    coverage: float  # the median share of measured pixels
    farther_below: np.ndarray  # of each map, the lower half's median over the upper half's
    divisor: int  # of all whole numbers, 0 where they have fractions
    steps: float  # counts a metre by a Kinect's grid, 0 without one
    sentinel: float | None  # a number far beyond the others that many pixels have


def guess_encoding(
    photos: Sequence[Path], maps: Sequence[Path], key: str | None = None, most: int = 40
) -> Guess:
    """How these maps are encoded, by their files, their histograms and sensors' usual scales.

    At most `most` maps, evenly spaced, are read. `key` as in `DatasetSpec`. Of `photos` none is
    read: they say how many maps there must be. Errors: ValueError that names the file where maps
    cannot be read, are of several kinds, or hold no depth.
    """
    if not maps or len(photos) != len(maps):
        raise ValueError(
            "There must be as many maps as photos, and one at least. Received: "
            f"{len(maps)} maps and {len(photos)} photos."
        )
    files = _spread(maps, most)
    look = _look_at(files, key)
    fields: dict[str, Any] = {"depth_dtype": look.dtype}
    reasons = [f"{len(files)} of {len(maps)} maps were read, of {look.dtype}."]
    if (key or is_array(files[0])) and (name := key or _only_key(files[0])):
        fields["key"] = name
        reasons.append(f"The array `{name}` of each file is taken for its depth.")
    if files[0].suffix.lower() in (".jpg", ".jpeg"):
        reasons.append("JPEG changes numbers, most at edges and holes: PNG would keep them.")
    if look.sentinel is not None:
        fields["invalid_counts"] = [0, look.sentinel]
        reasons.append(f"{look.sentinel:g} lies far beyond all other numbers: it means no depth.")
    if look.coverage <= 0.25:
        fields["coverage_range"] = [0.0005, 0.5]
        reasons.append(f"{look.coverage:.1%} of the pixels are measured, as by a laser scanner.")
    if suspicion := _suspect_disparity(look) or _suspect_names(maps[0], look):
        pixels = 1 / 256 if look.dtype == "uint16" else 1.0
        fields |= {"encoding": "disparity", "pixels_per_count": pixels}
        reasons.append(
            f"{suspicion} So it is disparity, which needs `focal_baseline`, the focal length in "
            "pixels times the baseline in metres, and `pixels_per_count`, for which "
            f"{pixels:g} is taken."
        )
        return Guess(fields, "likely", tuple(reasons))
    scale, sureness, why = _guess_scale(look)
    fields |= scale
    reasons += why
    if scale.get("metres_per_count") and (
        "encoding" not in scale and len(look.farther_below) < _FEW and _is_farther(look).all()
    ):
        sureness = "unsure"
        reasons.append("The lower half is farther than the upper: it may be disparity.")
    return Guess(fields | _guess_range(look, fields), sureness, tuple(reasons))


def refuse_other_encoding(maps: Sequence[Path], spec: DatasetSpec, most: int = 40) -> str:
    """What in the maps of a dataset speaks against its spec, in words; "" where nothing does.

    Errors: ValueError where maps together show that they are encoded in another way: disparity for
    depth, or another sensor's scale. A map alone is checked by `images.read_depth`.
    """
    if spec.made_by in _WROTE_MAPS:
        return ""
    try:
        look = _look_at(_spread(maps, most), spec.key, spec.invalid_counts)
    except ValueError:
        return ""  # which reading the maps says of each
    if len(look.largest) < _FEW:
        return ""
    first = f"The first map is {maps[0]}."
    disparity = spec.encoding == "disparity"
    suspicion = _suspect_depth(look) if disparity else _suspect_disparity(look)
    if spec.lower_is_nearer and suspicion:
        raise ValueError(
            f"In most photos of `{spec.name}` the lower half must be nearer, as the ground is. "
            f"Received: {suspicion} Say the `encoding` in dataset.json, or `lower_is_nearer` false "
            f"where the camera sees no ground. {first}"
        )
    if disparity or spec.is_relative or spec.encoding == "sunrgbd":
        return ""
    median, depth = float(np.median(look.numbers)), look.numbers * spec.scale
    outside = float(np.mean((depth < spec.min_depth) | (depth > spec.max_depth * (1 + 1e-6))))
    fields, sureness, why = _guess_scale(look)
    likely = (fields["metres_per_count"] or spec.scale) / (8 if "encoding" in fields else 1)
    if 0.9 < spec.scale / likely < 1.1:
        return ""
    shows = outside > spec.most_outside or sureness == "certain"
    # Farther than a room is, and not as deep as a road.
    doubtful = median * spec.scale > 5 and look.coverage > 0.25 and _measure_spread(look) < 8
    # Or nearer than a table is, while another scale would make a room of it.
    doubtful |= median * spec.scale < 0.5 and look.coverage > 0.25 and likely > 1.1 * spec.scale
    may_be_steps = spec.scale == 0.001 and 1 / likely == _STEPS.get(look.divisor)
    if not shows and not may_be_steps and not (doubtful and spec.lower_is_nearer):
        return ""
    text = (
        f"`metres_per_count` of `{spec.name}` must fit its maps. Received: {spec.scale:g}, by "
        f"which half of what they measure is nearer than {median * spec.scale:.2f} m and "
        f"{outside:.0%} of it lies outside {spec.min_depth:g} to {spec.max_depth:g} m. "
        f"{' '.join(why)} By {likely:g} half is nearer than {median * likely:.2f} m. {first}"
    )
    far = "encoding" in fields or median * spec.scale > 3.5
    if outside > spec.most_outside or (sureness == "certain" and far):
        raise ValueError(text)
    return text


def _spread(maps: Sequence[Path], most: int) -> list[Path]:
    """At most `most` of them, evenly spaced."""
    return [maps[i] for i in range(0, len(maps), -(-len(maps) // most) or 1)]


def _look_at(files: Sequence[Path], key: str | None, invalid: Sequence[float] = (0,)) -> _Look:
    """What these maps show; one that cannot be read is left out, unless all are."""
    rng = np.random.default_rng(0)
    numbers, largest, coverage, ratios, grids, tops = [], [], [], [], [], []
    dtypes: dict[str, Path] = {}  # with the first map of each
    divisor, damage = 0, []
    for file in files:
        try:
            stored = _read_map(file, key)
        except (OSError, ValueError) as error:
            damage.append(error)
            continue
        dtypes.setdefault(str(stored.dtype), file)
        values = stored.astype(np.float64)
        kept = np.isfinite(values) & (values > 0) & ~np.isin(values, invalid)
        coverage.append(np.count_nonzero(kept) / values.size)
        if np.count_nonzero(kept) < 16:
            continue
        distinct, counts = np.unique(values[kept], return_counts=True)
        top = _find_sentinel(distinct, counts)
        if top is not None:
            tops.append(top)
            kept &= values != top
            distinct = distinct[:-1]
        half = len(values) // 2
        upper, lower = values[:half][kept[:half]], values[half:][kept[half:]]
        if min(upper.size, lower.size) >= 16:
            ratios.append(np.median(lower) / np.median(upper))
        if stored.dtype.kind != "f" and len(distinct) >= 30:
            divisor = int(np.gcd.reduce([divisor, *distinct.astype(np.int64)]))
            grids.append(_measure_grid(distinct))
        largest.append(distinct[-1])
        numbers.append(rng.choice(values[kept], 4000))
    if not dtypes and damage:
        raise damage[0]
    if len(dtypes) > 1:
        found = ", ".join(f"{dtype} in {dtypes[dtype]}" for dtype in sorted(dtypes))
        raise ValueError(
            f"Depth maps of a dataset must be of one kind. Received: {found}. Give a folder for "
            "each."
        )
    if not numbers:
        raise ValueError(
            "Depth maps must hold positive numbers of depth. Received: none in "
            f"{files[0]} and others. Write what is measured as positive, and the rest as 0."
        )
    steps = np.array(grids or [0.0])
    low, middle, high = np.quantile(steps, [0.1, 0.5, 0.9])
    return _Look(
        dtype=next(iter(dtypes)),
        numbers=np.concatenate(numbers),
        largest=np.array(largest),
        coverage=float(np.median(coverage)),
        farther_below=np.array(ratios),
        divisor=divisor,
        steps=float(middle) if low > 0 and high < 1.1 * low else 0.0,
        sentinel=tops[0] if len(tops) > len(numbers) / 2 and len(set(tops)) == 1 else None,
    )


def _read_map(file: Path, key: str | None) -> np.ndarray:
    stored = read_stored(file, key)
    if stored.ndim != 2:
        raise ValueError(
            "A depth map must have one channel. Received: "
            f"{stored.shape[2]} of {stored.dtype} in {file}. Colours are a picture of depth, from "
            "which it cannot be had back: use the map that it was made from."
        )
    return stored


def _find_sentinel(distinct: np.ndarray, counts: np.ndarray) -> float | None:
    """The largest number, where many pixels have it and none comes near it."""
    if len(distinct) < 3 or counts[-1] < 0.001 * counts.sum() or distinct[-2] > 0.8 * distinct[-1]:
        return None
    return float(distinct[-1])


def _measure_grid(distinct: np.ndarray) -> float:
    """Counts a metre by the grid of a Kinect's 1/depth in the farther half; 0 where there is none.

    The mean step of its own grid is one in 351.3 m. Where all whole numbers occur there is no grid:
    its steps have several counts, and most are alike.
    """
    far = distinct[len(distinct) // 2 :]
    if len(far) < 20:
        return 0.0
    steps = -np.diff(1 / far)
    usual = float(np.median(steps))
    alike = np.mean((steps > 0.5 * usual) & (steps < 1.5 * usual))
    if np.median(np.diff(far)) < 3 or alike < 0.6:
        return 0.0
    return 1 / (_KINECT * usual)


def _is_farther(look: _Look) -> np.ndarray:
    """Of each map whether its lower half has larger numbers: real ones, at most one in ten."""
    return look.farther_below > 1.02


def _suspect_disparity(look: _Look) -> str:
    farther = _is_farther(look)
    if len(farther) < _FEW or farther.mean() < 0.7:
        return ""
    return (
        f"In {farther.sum()} of {len(farther)} maps the numbers of the lower half are larger than "
        "those of the upper, as disparity's are, which is large where a thing is near."
    )


def _suspect_names(file: Path, look: _Look) -> str:
    """What a map's name or folder says, where its numbers do not say the contrary."""
    words = re.findall("[a-z]+", f"{file.parent.name} {file.stem}".lower())
    if _DISPARITY.isdisjoint(words) or _suspect_depth(look):
        return ""
    return f"The name of {file} says disparity."


def _suspect_depth(look: _Look) -> str:
    nearer = look.farther_below < 0.98
    if len(nearer) < _FEW or nearer.mean() < 0.7:
        return ""
    return (
        f"In {nearer.sum()} of {len(nearer)} maps the numbers of the lower half are smaller than "
        "those of the upper, as those of depth are, which are small where a thing is near."
    )


def _guess_scale(look: _Look) -> tuple[dict[str, Any], str, list[str]]:
    """The fields that say the scale, how sure they are, and why."""
    median, high = np.quantile(look.numbers, [0.5, 0.99])
    if look.dtype == "uint8":
        if (look.largest == look.largest[0]).all() and look.largest[0] == 255:
            why = "Each map reaches 255, as if divided by its own maximum: depth up to a scale."
            return {"metres_per_count": None}, "likely", [why]
        why = "8 bits say no scale; the usual one is 255 for 10 m, as in NYU's training archive."
        return {"metres_per_count": 10 / 255}, "unsure", [why]
    if look.dtype.startswith("float"):
        return _guess_scale_of_floats(median, high, look)
    if look.dtype == "uint16" and _has_turned_bits(look):
        why = "The last bits of counts are those of numbers whose bits are turned, as SUN RGB-D's."
        return {"encoding": "sunrgbd", "metres_per_count": 0.001}, "certain", [why]
    known = _STEPS.get(look.divisor)
    if known and _is_indoor(median / known, high / known):
        why = f"All counts are multiples of {look.divisor}: {_NAMES[known]}, made of millimetres."
        if median / 1000 > (10 if look.divisor == 10 else 5):  # no room, nor a hall in centimetres
            return {"metres_per_count": 1 / known}, "certain", [why]
        why += f" Or they are millimetres in steps of {look.divisor}: say 0.001 if so."
        return {"metres_per_count": 1 / known}, "likely", [why]
    for scale in _INDOOR:
        if look.steps and 0.95 < look.steps / scale < 1.05:
            why = f"The steps between counts are those of a Kinect in {_NAMES[scale]}."
            return {"metres_per_count": 1 / scale}, "certain", [why]
    spread = _measure_spread(look)
    dense = look.coverage > 0.25
    fits = [s for s in _INDOOR if dense and spread < 15 and _is_indoor(median / s, high / s)]
    roads = [s for s in _OUTDOOR if spread > 8 and 4 <= median / s <= 60 and 20 <= high / s <= 300]
    if look.sentinel == 65535 and 100 in roads:
        roads.insert(0, roads.pop(roads.index(100)))
    order = [*fits, *roads]
    if not order:
        why = f"No usual scale fits a median of {median:g} counts; millimetres are taken."
        return {"metres_per_count": 0.001}, "unsure", [why]
    first, *others = order
    why = (
        f"By {_NAMES[first]}, half of it is nearer than {median / first:.2f} m and 99 % nearer "
        f"than {high / first:.1f} m."
    )
    if others:
        why += f" {', or '.join(_NAMES[s] for s in others)} would be possible too."
    usual = [1 <= median / scale <= 4 or scale in roads for scale in order]
    likely = usual[0] and not any(usual[1:])
    return {"metres_per_count": 1 / first}, "likely" if likely else "unsure", [why]


def _guess_scale_of_floats(
    median: float, high: float, look: _Look
) -> tuple[dict[str, Any], str, list[str]]:
    if look.largest.max() <= 1.0 + 1e-6 and (look.largest > 0.99).mean() > 0.5:
        why = "Most maps end at 1: depth divided by its maximum, up to an unknown scale."
        return {"metres_per_count": None}, "likely", [why]
    for scale, name, low, far in (
        (1.0, "metres", 0.2, 60), (0.01, "centimetres", 0.5, 5), (0.001, "millimetres", 0.5, 60)
    ):  # fmt: skip
        if low <= median * scale <= far and high * scale <= 300:
            why = f"Floats are {name}: half is nearer than {median * scale:.2f} m."
            likely = scale == 1 and median >= 0.5
            return {"metres_per_count": scale}, "likely" if likely else "unsure", [why]
    why = f"No usual scale fits a median of {median:g}; metres are taken."
    return {"metres_per_count": 1.0}, "unsure", [why]


def _measure_spread(look: _Look) -> float:
    """The farthest over the nearest: 3 to 7 in real rooms, and 11 to 60 on real roads."""
    low, high = np.quantile(look.numbers, [0.05, 0.99])
    return float(high / low)


def _is_indoor(median: float, high: float) -> bool:
    """Whether a room has such depths, in metres; `high`: 99 % are nearer."""
    return 0.5 <= median <= 5 and high <= 10


def _has_turned_bits(look: _Look) -> bool:
    """Whether counts are millimetres with their upper three bits last, which few of them use."""
    last = look.numbers.astype(np.uint16) & 7
    return look.divisor in (1, 8) and (last == 0).mean() > 0.7 and last.max() <= 2


def _guess_range(look: _Look, fields: dict[str, Any]) -> dict[str, Any]:
    """`min_depth` and `max_depth` that hold what was measured."""
    scale, numbers = fields.get("metres_per_count"), look.numbers
    if scale is None:
        return {}
    if fields.get("encoding") == "sunrgbd":
        counts = numbers.astype(np.uint16)
        numbers = (counts >> 3) | (counts << 13)
    low, high = np.quantile(numbers * scale, [0.001, 0.999])
    reach = next((limit for limit in _RANGES if high <= limit), float(np.ceil(high)))
    return {"min_depth": 0.1 if low >= 0.1 else 0.01, "max_depth": reach}


def _only_key(file: Path) -> str | None:
    """The name of the array that is taken where a file holds several; None where it is said."""
    if not file.is_file():  # a path into a file names its array
        return None
    held = list_arrays(file)
    return None if len(held) == 1 else choose_array(held, file, PurePosixPath())[0]
