from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from depthlib.data.cache import FilePairs
from depthlib.data.images import write_depth, write_rgb
from depthlib.data.mixed_pairs import (
    MixedPairs,
    cut_to_view,
    focal_factors,
    settle_focal,
    show_whole,
)
from depthlib.data.pairs import read_csv
from depthlib.data.specs import INDOOR_MILLIMETRE, KITTI, NYU_TRAIN, ROADS
from depthlib.prediction.geometry import View, join, lay_out, split


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


@pytest.mark.parametrize("of", ["main", "other", "both"])
def test_where_borders_are_cut_off_the_view_is_what_is_within_them(of):
    border = (0.1, 0.9, 0.05, 0.85)
    main = replace(KITTI, border=border if of != "other" else (0.0, 1.0, 0.0, 1.0))
    road = replace(ROADS, border=border if of != "main" else (0.0, 1.0, 0.0, 1.0))
    seen = cut_to_view(road, main, crop_border=True)
    assert seen.border[2:] == road.border[2:]
    assert road.border[0] <= seen.border[0] < seen.border[1] <= road.border[1]
    for name in ("aspect", "horizon"):
        assert seen.view(True)[name] == pytest.approx(main.view(True)[name])
    assert cut_to_view(main, main, crop_border=True) == main
    assert cut_to_view(NYU_TRAIN, main, crop_border=True) == NYU_TRAIN


def test_what_has_no_known_horizon_or_is_as_wide_already_stays_whole():
    for one, other in ((NYU_TRAIN, KITTI), (KITTI, NYU_TRAIN), (KITTI, ROADS), (KITTI, KITTI)):
        assert cut_to_view(one, other) is None


def test_a_road_of_no_known_shape_stays_whole():
    assert cut_to_view(replace(ROADS, aspect=None), KITTI) is None
    assert cut_to_view(ROADS, replace(KITTI, aspect=None)) is None


def test_a_taller_photo_may_be_shown_whole_as_a_finished_network_is_shown_it(tmp_path):
    height, width = 96, 128
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rgb = cv2.GaussianBlur(rgb, (0, 0), 3)
    depth = np.repeat(np.linspace(20, 4, height, dtype=np.float32)[:, None], width, 1)
    write_rgb(tmp_path / "a.png", rgb)
    write_depth(tmp_path / "d.png", depth, ROADS)
    (tmp_path / "pairs.csv").write_text("rgb,depth\na.png,d.png")
    main = replace(KITTI, aspect=4.0)
    pairs = replace(read_csv(tmp_path / "pairs.csv", ROADS), spec=show_whole(ROADS, main))
    assert cut_to_view(pairs.spec, main) == pairs.spec
    seen, counts = FilePairs(pairs, 32, 128, crop_border=True).gather([0])
    layout = lay_out(height, width, View(32, 128, 80.0, main.focal, 4.0, 0.46), ROADS.focal)
    shown = split(rgb, layout)[0]
    assert np.abs(seen[0].astype(int) - shown).mean() < 2
    # What the network should say is what comes back as the photo's depth.
    said = counts[0] * pairs.spec.max_depth / 65535 * focal_factors(pairs, main.focal, True)
    np.testing.assert_allclose(join(said[None].astype(np.float32), layout), depth, rtol=0.05)


def test_only_a_taller_photo_of_a_road_is_shown_whole():
    for one, other in ((NYU_TRAIN, KITTI), (KITTI, NYU_TRAIN), (KITTI, ROADS), (KITTI, KITTI)):
        assert show_whole(one, other) is None
    assert show_whole(replace(ROADS, aspect=None), KITTI) is None


def of_two_lenses(tmp_path, focals=("48", "96")):
    """Two pairs of 32x48 with one map, whose CSV has focal lengths in pixels."""
    depth = np.linspace(1, 4, 32 * 48, dtype=np.float32).reshape(32, 48)
    for name in ("a", "b"):
        write_rgb(tmp_path / f"{name}.jpg", np.zeros((32, 48, 3), np.uint8))
        write_depth(tmp_path / f"{name}.png", depth, INDOOR_MILLIMETRE)
    rows = [f"{name}.jpg,{name}.png,{focal}" for name, focal in zip("ab", focals, strict=True)]
    (tmp_path / "pairs.csv").write_text("\n".join(["rgb,depth,fx", *rows]))
    (tmp_path / "dataset.json").write_text('{"metres_per_count": 0.001, "focal_column": "fx"}')
    return read_csv(tmp_path / "pairs.csv"), depth


def test_photos_of_several_lenses_come_with_depth_as_the_median_one_would_see_it(tmp_path):
    pairs, depth = of_two_lenses(tmp_path)
    settled = settle_focal(pairs)
    assert settled.spec.view()["focal"] == 1.5
    source = MixedPairs([FilePairs(settled, 32, 48)], [False], [focal_factors(settled, 1.5)])
    _, counts = source.gather([1, 0])
    read = counts * source.metres_per_count
    np.testing.assert_allclose(read[0], depth * 0.75, atol=2e-3)  # 2.0 brought to 1.5
    np.testing.assert_allclose(read[1], depth * 1.5, atol=2e-3)
    assert focal_factors(settled, None) == 1 and settle_focal(settled).table.equals(settled.table)
    assert focal_factors(replace(pairs, spec=KITTI), 2 * KITTI.focal) == 2


@pytest.mark.parametrize("focal", ["0", "-48", "", "wide", "0.8", "26000"])
def test_a_focal_length_that_is_none_is_refused_with_its_photo(tmp_path, focal):
    pairs, _ = of_two_lenses(tmp_path, ("48", focal))
    with pytest.raises(ValueError, match="column 'fx' must hold focal lengths.*0.2 to 10 .*b.jpg"):
        settle_focal(pairs)
