from dataclasses import dataclass, replace

import numpy as np
import pytest

from depthlib.data.mixed_pairs import MixedPairs, cut_to_view
from depthlib.data.specs import KITTI, NYU_TRAIN, ROADS


@dataclass
class Source:
    """`count` pairs of one number each, as a cache gives them."""

    start: int
    count: int
    metres_per_count: float

    def __len__(self):
        return self.count

    def gather(self, rows):
        numbers = np.asarray(rows)[:, None, None] + np.full((1, 2, 3), self.start)
        return np.repeat(numbers[..., None], 3, axis=-1).astype(np.uint8), numbers.astype(np.uint16)


MIXED = MixedPairs([Source(10, 4, 0.5), Source(100, 3, 1.0), Source(50, 2, 7.0)], [0, 0, 1])


def test_rows_run_through_the_sources_in_any_order_with_depth_in_the_first_ones_unit():
    rows = [8, 0, 4, 3, 6, 7]
    rgb, counts = MIXED.gather(rows)
    assert len(MIXED) == 9 and MIXED.metres_per_count == 0.5
    assert rgb.shape == (6, 2, 3, 3) and rgb.dtype == np.uint8
    assert rgb[:, 0, 0, 0].tolist() == [51, 10, 100, 13, 102, 50]
    # The second source's counts are of a unit twice as large; relative ones are of none.
    assert counts.dtype == np.uint16
    assert counts[:, 1, 2].tolist() == [51, 10, 200, 13, 204, 50]
    assert MIXED.is_relative(rows).tolist() == [True, False, False, False, False, True]


def test_what_the_first_source_cannot_hold_is_not_measured_and_what_is_tiny_stays():
    far = MixedPairs([Source(1, 1, 1.0), Source(40_000, 1, 2.0), Source(0, 2, 1e-3)], [0, 0, 0])
    assert far.gather([1, 2, 3])[1][:, 0, 0].tolist() == [0, 0, 1]


def test_photos_of_roads_are_cut_to_the_shape_and_the_horizon_of_the_first():
    top, bottom, left, right = cut_to_view(ROADS, KITTI).border
    assert (left, right) == (0, 1)
    assert ROADS.aspect / (bottom - top) == pytest.approx(KITTI.aspect)
    assert (ROADS.horizon - top) / (bottom - top) == pytest.approx(KITTI.horizon)
    # A horizon near an edge: the whole height that fits, and no more than there is.
    share = ROADS.aspect / KITTI.aspect
    low = cut_to_view(replace(ROADS, horizon=0.95), KITTI)
    assert low.border == pytest.approx((1 - share, 1, 0, 1))


def test_what_has_no_known_horizon_or_is_as_wide_already_stays_whole():
    for one, other in ((NYU_TRAIN, KITTI), (KITTI, NYU_TRAIN), (KITTI, ROADS), (KITTI, KITTI)):
        assert cut_to_view(one, other) is None


def test_a_road_of_no_known_shape_stays_whole():
    assert cut_to_view(replace(ROADS, aspect=None), KITTI) is None
    assert cut_to_view(ROADS, replace(KITTI, aspect=None)) is None
