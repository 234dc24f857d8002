"""Whether pairs are sound: every header, and the pixels of as many as one has time for."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from depthlib.data.encodings import refuse_other_encoding
from depthlib.data.images import fits_map, read_pair
from depthlib.data.scenes import KNOWN
from depthlib.data.specs import DatasetSpec

if TYPE_CHECKING:
    from depthlib.data.pairs import Pairs

_MODES = {"uint8": ("L",), "uint16": ("I;16", "I;16B"), "float32": ("F",)}  # Pillow's names
_ORIENTATION = 0x0112  # in EXIF; 1 is upright
# How a whole file ends. Another end is no fault yet, but reason to decode.
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def check_pairs(
    pairs: "Pairs", most: int | None = None, chosen: np.ndarray | None = None
) -> tuple["Pairs", pd.DataFrame, pd.DataFrame]:
    """Checks the pairs and gives (the sound ones, problems, summary).

    `most` caps how many are decoded, evenly spaced (None: all; 0: none). Of the others the headers
    are read, and what looks odd there is decoded too. `chosen`, bool (pairs,): looks at these
    alone, as it would look at them among all. Problems: file, problem. Summary: a row of
    counts, sizes, depths. Errors: ValueError where the maps together show another encoding than
    the spec's, and for pairs that are packed or without depth.
    """
    pairs.refuse_without_maps()
    doubt = refuse_other_encoding([pairs.depth_path(i) for i in range(len(pairs))], pairs.spec)
    if doubt:
        print(doubt, flush=True)
    chosen = np.ones(len(pairs), bool) if chosen is None else chosen
    duplicate = pairs.table.duplicated(["rgb", "depth"]).to_numpy()
    problems = [(name, "duplicate row") for name in pairs.table["rgb"][duplicate & chosen]]
    sound = ~duplicate & chosen
    candidates = np.flatnonzero(~duplicate).tolist()
    decoded = candidates
    if most is not None and most < len(candidates):
        decoded = [candidates[p] for p in np.linspace(0, len(candidates) - 1, most).astype(int)]
    decoded = [row for row in decoded if chosen[row]]
    rest = sorted(set(np.flatnonzero(sound).tolist()) - set(decoded))
    photos, maps = ([str(name) for name in pairs.table[column]] for column in ("rgb", "depth"))

    def measure(index: int) -> tuple | str:
        return _measure(pairs.root / photos[index], pairs.root / maps[index], pairs.spec)

    def look(index: int) -> tuple | str:
        size = _look(pairs.root / photos[index], pairs.root / maps[index], pairs.spec)
        return (size,) if size else measure(index)

    found = dict(zip(rest, _run(look, rest, "headers"), strict=True))
    found |= dict(zip(decoded, _run(measure, decoded, "check"), strict=True))
    for index in sorted(found):
        if isinstance(found[index], str):
            problems.append((photos[index], found[index]))
            sound[index] = False
    good = pairs.select(np.flatnonzero(sound))
    measured = [result for result in found.values() if not isinstance(result, str)]
    return good, pd.DataFrame(problems, columns=["file", "problem"]), _summarise(good, measured)


def _run(look: Callable[[int], Any], indices: Sequence[int], title: str) -> list[Any]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(look, indices)
        return list(tqdm(results, title, len(indices), disable=not indices))


def _measure(photo: Path, depth_map: Path, spec: DatasetSpec) -> tuple | str:
    """(size, minimum, median, maximum depth) of a pair, or what is wrong."""
    try:
        _, depth = read_pair(photo, depth_map, spec)
    except (OSError, ValueError) as error:
        return str(error)
    valid = depth[depth > 0]
    return depth.shape, float(valid.min()), float(np.median(valid)), float(valid.max())


def _look(photo: Path, depth_map: Path, spec: DatasetSpec) -> tuple[int, int] | None:
    """The map's size where both headers are as they should be; None: decoding says what is not."""
    rgb, depth = _read_header(photo), _read_header(depth_map)
    if rgb is None or depth is None or not fits_map(rgb[0], depth[0]) or depth[2] == "JPEG":
        return None
    return depth[0] if depth[1] in _MODES.get(spec.depth_dtype, ()) else None


def _read_header(path: Path) -> tuple[tuple[int, int], str, str] | None:
    """((height, width), mode, format) by Pillow of an upright image that ends as a whole one."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file, Image.open(file) as image:
            turned = image.getexif().get(_ORIENTATION, 1) != 1 if "exif" in image.info else False
            end = _ENDS.get(image.format or "")
            if turned or end is None:
                return None
            file.seek(-len(end), os.SEEK_END)
            whole = file.read() == end
            size = image.height, image.width
            return (size, image.mode, str(image.format)) if whole else None
    except Exception:  # what Pillow's plugins raise; decoding says it in our words
        return None


def _summarise(pairs: "Pairs", measured: list[tuple]) -> pd.DataFrame:
    decoded = [result for result in measured if len(result) > 1]
    _, low, median, high = zip(*decoded, strict=True) if decoded else ((), (), (), ())
    sizes = {result[0] for result in measured}
    values = {
        "pairs": len(pairs),
        "scenes": pairs.table["scene"].nunique() if pairs.scenes == KNOWN else "unknown",
        "checked": len(decoded),
        "sizes": ", ".join(sorted({f"{height}x{width}" for height, width in sizes})),
        "dtype": pairs.spec.depth_dtype,
        "unit": pairs.spec.unit,
        "min": min(low, default=np.nan),
        "median": float(np.median(median)) if median else np.nan,
        "max": max(high, default=np.nan),
    }
    return pd.DataFrame([values], index=[pairs.spec.name])
