import math

import numpy as np
import pytest

from depthlib.video.smoothing import TemporalFilter

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_photo(rng, low=40, high=200):
    """Blocks of 8x8 pixels in random greys."""
    blocks = rng.integers(low, high, (HEIGHT // 8, WIDTH // 8, 1))
    return np.repeat(blocks.repeat(8, axis=0).repeat(8, axis=1), 3, axis=2).astype(np.uint8)


def make_depth(value):
    return np.full((HEIGHT, WIDTH), value, np.float32)


def test_a_still_scene_flickers_less_and_keeps_its_depth(rng):
    photo, sigma = make_photo(rng), 0.05
    filter_depth = TemporalFilter(0.8)
    for _ in range(60):
        noisy = np.clip(photo + rng.normal(0, 3, photo.shape), 0, 255).astype(np.uint8)
        depth = make_depth(4) * np.exp(rng.normal(0, sigma, (HEIGHT, WIDTH)))
        smooth = filter_depth(noisy, depth.astype(np.float32))
    before, after = filter_depth.flicker
    # The mean absolute difference of two normal values is 2 sigma / sqrt(pi); an average that takes
    # .2 of the new differs from its last one by .2 / sqrt(1.8) = .149 of that.
    assert before == pytest.approx(2 * sigma / math.sqrt(math.pi), rel=0.02)
    assert 0.149 * before < after < 0.25 * before
    assert smooth.dtype == np.float32
    assert np.log(smooth / 4).mean() == pytest.approx(0, abs=0.003)


def test_a_step_of_depth_is_taken_up_by_the_share_that_the_past_leaves(rng):
    photo = make_photo(rng)
    filter_depth = TemporalFilter(0.5)
    filter_depth(photo, make_depth(2))
    smooth = filter_depth(photo, make_depth(2 * math.exp(0.1)))
    past = 0.5 * math.exp(-((0.1 / math.log(2)) ** 2))
    np.testing.assert_allclose(np.log(smooth / 2), 0.1 * (1 - past), rtol=1e-4)


@pytest.mark.parametrize("box, ground", [(200, 60), (9, 24)], ids=["in the sun", "in a shadow"])
def test_a_moving_box_leaves_no_ghost(rng, box, ground):
    filter_depth = TemporalFilter()
    floor = make_photo(rng, ground - 4, ground + 4)
    for start in range(0, 36, 4):
        photo, depth = floor.copy(), make_depth(5)
        photo[12:36, start : start + 16] = box
        depth[12:36, start : start + 16] = 3
        smooth = filter_depth(photo, depth)
    vacated, reached = smooth[16:32, start - 4 : start], smooth[16:32, start + 12 : start + 16]
    step = math.log(5 / 3)
    assert np.abs(np.log(vacated / 5)).mean() < 0.1 * step
    assert np.abs(np.log(reached / 3)).mean() < 0.1 * step


def test_after_a_cut_nothing_of_the_last_scene_is_left(rng):
    filter_depth = TemporalFilter()
    scenes = [make_photo(rng), make_photo(rng)]
    for photo in scenes:
        photo[:, :24] = 230  # a white wall in both
    filter_depth(scenes[0], make_depth(4))
    np.testing.assert_allclose(filter_depth(scenes[1], make_depth(5)), 5, rtol=1e-5)
    assert all(map(math.isnan, filter_depth.flicker))


def test_twice_as_far_is_taken_for_another_thing_rather_than_for_flicker(rng):
    photo = make_photo(rng)
    filter_depth = TemporalFilter()
    filter_depth(photo, make_depth(2))
    smooth = filter_depth(photo, make_depth(8))
    np.testing.assert_allclose(smooth, 8, rtol=0.03)


def test_it_can_be_off(rng):
    photo, depth = make_photo(rng), make_depth(3)
    filter_depth = TemporalFilter(0)
    filter_depth(photo, make_depth(2))
    assert filter_depth(photo, depth) is depth
    assert filter_depth.flicker == pytest.approx((math.log(1.5), math.log(1.5)))


@pytest.mark.parametrize("smoothing", [-0.1, 1, float("nan")])
def test_a_filter_that_would_never_settle_is_refused(smoothing):
    with pytest.raises(ValueError, match="`smoothing` must be from 0 .*Received: smoothing="):
        TemporalFilter(smoothing)
