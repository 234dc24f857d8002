"""Several datasets as one: metres in a common unit beside depth known only up to a scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from depthlib.data.cache import DecodedPairs, FilePairs
from depthlib.data.specs import DatasetSpec


@dataclass
class MixedPairs:
    """Sources one after the other, as one that gives what `DecodedPairs` gives.

    `relative` says of each source whether its depth is known only up to a scale. The counts of
    the others come in `metres_per_count`, the first one's, times `factors`; what lies beyond its
    range counts as not measured.
    """

    sources: Sequence[DecodedPairs | FilePairs]
    relative: Sequence[bool]
    factors: Sequence[float] = ()  # a number a source; none: all 1

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
        rows = np.asarray(rows)
        members = np.searchsorted(self._ends, rows, side="right")
        parts = []
        for member in np.unique(members).tolist():
            places = np.flatnonzero(members == member)
            source = self.sources[member]
            own_rgb, own_counts = source.gather(rows[places] - self._ends[member] + len(source))
            factor = (
                source.metres_per_count
                / self.metres_per_count
                * (self.factors[member] if self.factors else 1)
            )
            factor = 1 if self.relative[member] else factor
            parts.append((places, own_rgb, _rescale(own_counts, factor)))
        rgb = np.empty((len(rows), *parts[0][1].shape[1:]), np.uint8)
        counts = np.empty(rgb.shape[:3], np.uint16)
        for places, own_rgb, own_counts in parts:
            rgb[places], counts[places] = own_rgb, own_counts
        return rgb, counts

    def is_relative(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Whether the depth of each row is known only up to a scale, bool (rows,)."""
        return np.asarray(self.relative, bool)[np.searchsorted(self._ends, rows, side="right")]


def cut_to_view(spec: DatasetSpec, main: DatasetSpec) -> DatasetSpec | None:
    """`spec` with the border that leaves what `main`'s camera would see; None: that is all of it.

    Photos of a road that are taller than `main`'s lose their top and bottom, until their shape and
    their horizon's height are those of `main`'s.
    """
    if not (spec.horizon and main.horizon and spec.aspect and main.aspect):
        return None
    if spec.aspect >= main.aspect:
        return None
    share = spec.aspect / main.aspect
    top = min(max(spec.horizon - main.horizon * share, 0.0), 1 - share)
    return replace(spec, border=(top, top + share, 0.0, 1.0))


def _rescale(counts: np.ndarray, factor: float) -> np.ndarray:
    """Counts times `factor`, any shape; 0 where not measured or beyond the largest count."""
    if factor == 1:
        return counts
    scaled = np.rint(counts * np.float32(factor))
    return np.where((counts > 0) & (scaled <= 65535), np.maximum(scaled, 1), 0)
