import cv2
import numpy as np

from depthlib.video.points import WIDTH, find_corners, follow, shrink


def draw():
    """A grey picture with texture, float32 made uint8."""
    coarse = np.random.default_rng(0).uniform(0, 255, (20, 30)).astype(np.float32)
    return (
        cv2.resize(coarse, (180, 120), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype("uint8")
    )


def test_points_are_found_where_they_moved_to():
    grey = draw()
    moved = np.roll(grey, (2, 5), axis=(0, 1))
    points = find_corners(grey, 100)
    inside = ((points > 15) & (points < (160, 100))).all(axis=1)
    ends, found = follow(grey, moved, points[inside])
    assert found.mean() > 0.9
    np.testing.assert_allclose((ends - points[inside])[found], [[5, 2]] * found.sum(), atol=0.2)


def test_points_that_another_picture_does_not_show_are_not_found():
    grey, noise = draw(), np.random.default_rng(1).integers(0, 256, (120, 180), np.uint8)
    assert follow(grey, noise, find_corners(grey, 100))[1].mean() < 0.3


def test_nothing_to_follow_gives_no_points():
    black = np.zeros((40, 60), np.uint8)
    points = find_corners(black, 100)
    ends, found = follow(black, black, points)
    assert points.shape == ends.shape == (0, 2) and found.shape == (0,)


def test_wide_pictures_are_shrunk_and_narrow_ones_stay():
    assert shrink(np.zeros((90, 2 * WIDTH, 3), np.uint8)).shape == (45, WIDTH)
    assert shrink(np.zeros((90, 100, 3), np.uint8)).shape == (90, 100)
