"""Several datasets as one: metres in a common unit beside depth known only up to a scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from depthlib.data.cache import DecodedPairs, FilePairs
from depthlib.data.images import read_size
from depthlib.data.intrinsics import SHARES
from depthlib.data.pairs import Pairs
from depthlib.data.specs import DatasetSpec
from depthlib.data.views import VIEWS, Views


@dataclass
class MixedPairs:
    """Sources one after the other, as one that gives what `DecodedPairs` gives.

    `relative` says of each source whether its depth is known only up to a scale. The counts of
    the others come in `metres_per_count`, the first one's, times `factors`, a number a source or
    one for each of its rows; what lies beyond its range counts as not measured.
    """

    sources: Sequence[DecodedPairs | FilePairs]
    relative: Sequence[bool]
    factors: Sequence[float | np.ndarray] = ()  # none: all 1

    def __post_init__(self) -> None:
        self._ends = np.cumsum([len(source) for source in self.sources])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def metres_per_count(self) -> float:
        """The depth of one count."""
        return self.sources[0].metres_per_count

    @property
    def mixes_units(self) -> bool:
        """Whether some of it is metric and some relative."""
        return len(set(self.relative)) == 2

    def gather(self, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """RGB uint8 (rows, height, width, 3) and counts uint16 (rows, height, width)."""
        parts = []
        for member, places, own_rows in self._divide(rows):
            source = self.sources[member]
            own_rgb, own_counts = source.gather(own_rows)
            if not self.relative[member]:
                factor = np.asarray(self.factors[member] if self.factors else 1)
                factor = factor[own_rows, None, None] if factor.ndim else factor
                factor = factor * source.metres_per_count / self.metres_per_count
                own_counts = _rescale(own_counts, factor)
            parts.append((places, own_rgb, own_counts))
        rgb = np.empty((len(rows), *parts[0][1].shape[1:]), np.uint8)
        counts = np.empty(rgb.shape[:3], np.uint16)
        for places, own_rgb, own_counts in parts:
            rgb[places], counts[places] = own_rgb, own_counts
        return rgb, counts

    @property
    def has_confidence(self) -> bool:
        """Whether one of the sources has confidence maps."""
        return any(source.has_confidence for source in self.sources)

    def gather_confidence(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Confidence, uint8 (rows, height, width), as each source gives it."""
        parts = [
            (places, self.sources[member].gather_confidence(own_rows))
            for member, places, own_rows in self._divide(rows)
        ]
        confidence = np.empty((len(rows), *parts[0][1].shape[1:]), np.uint8)
        for places, own in parts:
            confidence[places] = own
        return confidence

    @property
    def views(self) -> tuple[str, ...]:
        """Which other views there are of the photos of any source."""
        return tuple(n for n in VIEWS if any(n in source.views for source in self.sources))

    def gather_views(self, rows: Sequence[int] | np.ndarray, names: Sequence[str]) -> Views:
        """These views of the photos, as each source gives them; depth is scaled by `factors`."""
        parts = []
        for member, places, own_rows in self._divide(rows):
            own = self.sources[member].gather_views(own_rows, names)
            factor = np.asarray(self.factors[member] if self.factors else 1, np.float32)
            own.cameras[:, 4] *= factor[own_rows] if factor.ndim else factor
            parts.append((places, own))
        order = np.argsort(np.concatenate([places for places, _ in parts]))
        return Views.join([own for _, own in parts]).select(order)

    def _divide(
        self, rows: Sequence[int] | np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """The number of each source that is meant, the places in `rows`, and its own rows there."""
        rows = np.asarray(rows)
        members = np.searchsorted(self._ends, rows, side="right")
        for member in np.unique(members).tolist():
            places = np.flatnonzero(members == member)
            yield member, places, rows[places] - self._ends[member] + len(self.sources[member])

    def is_relative(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Whether the depth of each row is known only up to a scale, bool (rows,)."""
        return np.asarray(self.relative, bool)[np.searchsorted(self._ends, rows, side="right")]


def cut_to_view(
    spec: DatasetSpec, main: DatasetSpec, crop_border: bool = False
) -> DatasetSpec | None:
    """`spec` with the border that leaves what `main`'s camera would see; None: that is all of it.

    Photos of a road that are taller than `main`'s lose their top and bottom, until their shape and
    their horizon's height are those of `main`'s. crop_border: of both, what is within their
    borders. What `show_whole` gave stays as it is.
    """
    if is_shown_whole(spec):
        return spec
    rows = _find_rows(spec.view(crop_border), main.view(crop_border))
    if rows is None:
        return spec if crop_border else None
    top, bottom, left, right = spec.border if crop_border else (0.0, 1.0, 0.0, 1.0)
    first, last = (top + row * (bottom - top) for row in rows)
    return replace(spec, border=(first, last, left, right))


def show_whole(
    spec: DatasetSpec, main: DatasetSpec, crop_border: bool = False
) -> DatasetSpec | None:
    """`spec` with its taller photos mirrored at their sides until their shape is `main`'s, or None.

    So `prediction.geometry` shows the photo of a road that is taller than training's. crop_border:
    `main`'s are what is within their border.
    """
    rows = _find_rows(spec.view(), main.view(crop_border))
    if rows is None:
        return None
    beside = (1 / (rows[1] - rows[0]) - 1) / 2
    return replace(spec, border=(0.0, 1.0, -beside, 1 + beside))


def is_shown_whole(spec: DatasetSpec) -> bool:
    """Whether `show_whole` gave it."""
    return spec.border[2] < 0


def _find_rows(
    own: dict[str, float | None], main: dict[str, float | None]
) -> tuple[float, float] | None:
    """The rows, as shares, of a taller photo of a road that have `main`'s shape, or None.

    Both are views, as `DatasetSpec.view` gives them.
    """
    horizon, aspect = own["horizon"], own["aspect"]
    if not (horizon and aspect and main["horizon"] and main["aspect"]):
        return None
    share = aspect / main["aspect"]
    if share >= 1:
        return None
    top = min(max(horizon - main["horizon"] * share, 0.0), 1 - share)
    return top, top + share


def settle_focal(pairs: Pairs) -> Pairs:
    """The pairs with a column `focal_share`, of the photo's width, where each photo has its own.

    Their spec's focal length is then the median, in which a network may learn: see `focal_factors`.
    Errors: ValueError for a focal length that no lens has; those of `images.read_size`.
    """
    column = pairs.spec.focal_column
    if column is None:
        return pairs
    pixels = pd.to_numeric(pairs.table[column], errors="coerce").to_numpy(float)
    if pairs.is_packed:
        shares = pixels  # which were measured before the photos were left behind
    else:
        shares = pixels / [read_size(pairs.rgb_path(index))[1] for index in range(len(pairs))]
    is_lens = (shares >= SHARES[0]) & (shares <= SHARES[1])  # NaN is none
    if not is_lens.all():
        row = int(np.argmin(is_lens))
        raise ValueError(
            f"The column {column!r} must hold focal lengths in pixels of the photo, "
            f"{SHARES[0]:g} to {SHARES[1]:g} times its width. Received: "
            f"{pairs.table[column].iat[row]} for {pairs.rgb_path(row)}. Correct the CSV."
        )
    spec = replace(pairs.spec, focal=float(np.median(shares)))
    return replace(pairs, table=pairs.table.assign(focal_share=shares), spec=spec)


def list_focals(pairs: Pairs) -> list[float | None]:
    """The focal length of each photo, over its width, as its dataset says it; None where unknown.

    Errors: those of `settle_focal`.
    """
    settled = pairs if "focal_share" in pairs.table else settle_focal(pairs)
    if "focal_share" in settled.table:
        return settled.table["focal_share"].to_list()
    return [pairs.spec.focal] * len(pairs)


def focal_factors(
    pairs: Pairs, focal: float | None, crop_border: bool = False
) -> float | np.ndarray:
    """What brings depth to a camera of focal length `focal` (None: its own), one or one a row.

    A thing looks alike in photos of a longer lens from farther away, by the ratio of the two.
    crop_border: photos are seen within their border alone, which is as a longer lens sees them, or
    a shorter one where `show_whole` made them wider.
    """
    if focal is None:
        return 1.0
    left, right = pairs.spec.border[2:] if crop_border else (0.0, 1.0)
    if "focal_share" in pairs.table:
        return focal * (right - left) / pairs.table["focal_share"].to_numpy(float)
    return focal * (right - left) / (pairs.spec.focal or focal)


def _rescale(counts: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Counts times `factor`, any shape; 0 where not measured or beyond the largest count."""
    if (factor == 1).all():
        return counts
    scaled = np.rint(counts * factor.astype(np.float32))
    return np.where((counts > 0) & (scaled <= 65535), np.maximum(scaled, 1), 0)
