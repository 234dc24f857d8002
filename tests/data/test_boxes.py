import numpy as np
import pytest

from depthlib.data.boxes import Box, Road, _draw_rear, _draw_side, add_boxes, find_camera_height

ROWS, COLUMNS, HORIZON, FOCAL = 60, 160, 0.4, (90.0, 80.0)


def make_road(height=1.65, rows=ROWS, columns=COLUMNS):
    """Depth of a level road seen from `height` metres, 0 above the horizon: of a pinhole camera."""
    below = (np.arange(rows) + 0.5 - HORIZON * rows) / FOCAL[1]
    depth = np.where(below > 0, height / np.where(below > 0, below, 1), 0)
    return np.repeat(depth[:, None], columns, 1).astype(np.float32)


def draw(seed, depth, other=None):
    rgb = np.full((*depth.shape, 3), 100, np.uint8)
    other = np.full((40, 50, 3), 10, np.uint8) if other is None else other
    drawn = depth.copy()
    add_boxes(rgb, drawn, HORIZON, FOCAL, other, np.random.default_rng(seed))
    return rgb, drawn


@pytest.mark.parametrize("height", [0.8, 1.65, 3.0])
def test_the_road_tells_how_high_the_camera_is(height):
    assert find_camera_height(make_road(height), HORIZON, FOCAL[1]) == pytest.approx(height)
    sparse = np.where(np.random.default_rng(0).random((ROWS, COLUMNS)) < 0.1, make_road(height), 0)
    assert find_camera_height(sparse, HORIZON, FOCAL[1]) == pytest.approx(height)


def test_where_no_level_road_is_measured_nothing_is_drawn():
    wall = np.full((ROWS, COLUMNS), 5, np.float32)
    slope = make_road()
    slope[:, : COLUMNS // 2] *= 3
    empty = np.zeros_like(wall)
    few = make_road()
    few[:-1] = 0
    few[:, 10:] = 0
    for depth in (wall, slope, empty, few):
        rgb, drawn = draw(0, depth)
        assert (rgb == 100).all() and (drawn == depth).all()


def test_a_rear_is_as_far_at_its_roof_as_where_it_meets_the_road():
    depth, rgb = make_road(), np.full((ROWS, COLUMNS, 3), 100, np.uint8)
    box = Box(left=-1, right=1.5, low=0, top=3, rear=10, length=0)
    red = np.full((96, 96, 3), (200, 0, 0), np.uint8)
    _draw_rear(rgb, depth, Road(ROWS, COLUMNS, HORIZON, FOCAL, 1.65), box, red)
    rows, columns = np.nonzero(depth == 10)
    # Pinhole: 80 + 90 * x / 10 across, 24 + 80 * (1.65 - height) / 10 down, pixels' centres.
    assert (columns.min(), columns.max()) == (71, 92)  # 80 - 9 to 80 + 13.5
    assert (rows.min(), rows.max()) == (13, 36)  # 24 - 10.8 to 24 + 13.2
    assert (rgb[20:30, 75:90] == (200, 0, 0)).all() and (rgb[:10] == 100).all()
    assert (rgb[38, 75:90] < 100).all()  # its shadow


def test_a_side_runs_away_along_the_road():
    depth, rgb = np.zeros((ROWS, COLUMNS), np.float32), np.zeros((ROWS, COLUMNS, 3), np.uint8)
    box = Box(left=2, right=4, low=0, top=3, rear=8, length=8)
    picture = np.full((96, 96, 3), 200, np.uint8)
    _draw_side(rgb, depth, Road(ROWS, COLUMNS, HORIZON, FOCAL, 1.65), box, 2, picture)
    row = depth[24]
    seen = np.flatnonzero(row)
    # From 80 + 90 * 2 / 16 to 80 + 90 * 2 / 8.
    assert (seen.min(), seen.max()) == (91, 102)
    np.testing.assert_allclose(row[seen], 180 / (seen + 0.5 - 80), rtol=1e-5)
    assert (np.diff(row[seen]) < 0).all()
    assert (depth[:, 101] > 0).sum() > (depth[:, 92] > 0).sum()


def test_what_is_nearer_stays_before_a_box_even_where_a_laser_leaves_gaps():
    road = Road(ROWS, COLUMNS, HORIZON, FOCAL, 1.65)
    box = Box(left=-1, right=1, low=0, top=3, rear=10, length=0)
    picture = np.full((96, 96, 3), 200, np.uint8)
    depth, rgb = np.zeros((ROWS, COLUMNS), np.float32), np.zeros((ROWS, COLUMNS, 3), np.uint8)
    depth[16:34:2, 78:84:2] = 4  # someone before it, as points
    before = depth > 0
    _draw_rear(rgb, depth, road, box, picture)
    assert (depth[before] == 4).all()
    assert (rgb[20:30, 79:82] < 100).all() and (rgb[20:30, 86] == 200).all()
    wall = np.full((ROWS, COLUMNS), 4, np.float32)
    white = np.full((ROWS, COLUMNS, 3), 255, np.uint8)
    _draw_rear(white, wall, road, box, picture)
    assert (white == 255).all() and (wall == 4).all()  # nor is its shadow seen


def test_most_draws_stand_on_the_road_and_reach_above_the_horizon():
    above, changed = 0, 0
    for seed in range(40):
        depth = make_road()
        _, drawn = draw(seed, depth)
        new = drawn[drawn != depth]
        assert ((new >= 5 * 0.99) & (new < 75)).all()  # the farthest rear, and a length
        changed += len(new) > 0
        above += (drawn[: int(HORIZON * ROWS)] > 0).any()
    assert changed > 30 and above > 25


def test_the_same_seed_draws_the_same_and_another_one_something_else():
    other = np.random.default_rng(5).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    one, again, new = (draw(seed, make_road(), other) for seed in (3, 3, 4))
    assert (one[0] == again[0]).all() and (one[1] == again[1]).all()
    assert (one[0] != new[0]).any()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (300, 5)])
def test_any_photo_may_lend_its_parts(size):
    for seed in range(5):
        draw(seed, make_road(), np.zeros((*size, 3), np.uint8))


def test_a_tiny_photo_is_no_trouble():
    for rows, columns in ((1, 1), (2, 5), (8, 8), (32, 3)):
        draw(0, make_road(rows=rows, columns=columns))
