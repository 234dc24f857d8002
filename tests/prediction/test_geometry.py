import numpy as np
import pytest

from depthlib.prediction.geometry import FAR, View, join, lay_out, split

ROOMS = View(32, 48, 10.0, focal=0.8, aspect=1.5)
ROADS = View(32, 96, 80.0, focal=0.6, aspect=3.0, horizon=0.45)
RNG = np.random.default_rng(0)


def photo(height, width):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def through(view, height, width, focal=None, depth=1.0):
    """A photo's depth where the network says `depth` everywhere, and the layout."""
    layout = lay_out(height, width, view, focal)
    canvases = split(photo(height, width), layout)
    assert canvases.shape == (layout.canvases, view.height, view.width, 3)
    return join(np.full(canvases.shape[:3], depth, np.float32), layout), layout


@pytest.mark.parametrize("view", [ROOMS, ROADS])
def test_a_photo_of_trainings_shape_and_lens_is_shown_whole_and_its_depth_is_the_networks(view):
    size = 64, round(64 * view.shape)
    depth, layout = through(view, *size, view.focal, 3.0)
    assert layout.canvases == 1 and (layout.rows, layout.columns) == (view.height, view.width)
    np.testing.assert_allclose(depth, 3.0)
    assert depth.shape == size and depth.dtype == np.float32
    unknown = lay_out(*size, view)  # is taken for training's
    assert (unknown.rows, unknown.columns) == (layout.rows, layout.columns)
    assert (unknown.focal, unknown.factor) == pytest.approx((view.focal, 1))


@pytest.mark.parametrize("view", [ROOMS, ROADS, View(32, 48, 1.0)])
@pytest.mark.parametrize(
    "shape", [(90, 120), (80, 120), (90, 160), (64, 64), (120, 90), (160, 90), (30, 120), (1, 7)]
)
def test_height_and_width_are_resampled_alike_and_every_pixel_is_covered(view, shape):
    layout = lay_out(*shape, view)
    squeeze = view.width / view.height / view.shape
    assert layout.rows == pytest.approx(layout.columns / squeeze * shape[0] / shape[1], abs=1)
    depth, _ = through(view, *shape)
    assert depth.shape == shape and np.isfinite(depth).all() and depth.min() > 0
    height, width = layout.tile
    covered = np.zeros((layout.rows, layout.columns), bool)
    for row in layout.tops:
        for column in layout.lefts:
            covered[row : row + height, column : column + width] = True
    assert covered.all()


def test_what_training_squeezed_is_squeezed_still():
    squeezing = View(32, 96, 80.0, focal=0.6, aspect=1.5, horizon=0.5)  # 3:2 photos seen at 3:1
    layout = lay_out(100, 150, squeezing)
    assert (layout.rows, layout.columns) == (32, 96) and layout.factor == 1


def test_a_smaller_photo_of_the_same_camera_has_the_same_metres():
    for view in (ROOMS, ROADS):
        large, small = (lay_out(n, round(n * view.shape), view, view.focal) for n in (320, 32))
        assert large.factor == pytest.approx(small.factor) == pytest.approx(1)
    # A cut: fewer columns, and so a focal length that is more of them.
    whole, cut = lay_out(320, 960, ROADS, 0.6), lay_out(320, 480, ROADS, 1.2)
    assert whole.factor == pytest.approx(cut.factor) == pytest.approx(1)
    assert cut.columns == 48  # seen as large as in the whole photo, with mirrored sides


def test_a_roads_depth_follows_the_focal_length_and_its_sky_stays_far():
    near, layout = through(ROADS, 64, 192, 1.2, 10.0)
    np.testing.assert_allclose(near, 20.0)
    sky, _ = through(ROADS, 64, 192, 1.2, 70.0)
    assert layout.far == pytest.approx(FAR * 80 * 2) and (sky >= layout.far).all()
    # Narrower than the view, so seen smaller: half of the metres, but not for the sky.
    cut, layout = through(ROADS, 64, 96, None, 10.0)
    np.testing.assert_allclose(cut, 5.0)
    sky, _ = through(ROADS, 64, 96, None, 70.0)
    assert layout.far == pytest.approx(FAR * 80) and (sky >= layout.far).all()


def test_a_rooms_depth_grows_less_than_the_focal_length_and_a_room_has_no_sky():
    depth, layout = through(ROOMS, 64, 96, 1.6, 9.9)
    assert layout.far is None
    # Twice the focal length is shown at 2 ** .75 of training's, and depth grows by that ** .75.
    assert layout.columns == pytest.approx(48 * 2**0.75 / 2, abs=1)
    np.testing.assert_allclose(depth, 9.9 * 2 ** (0.75 * 0.75), rtol=0.03)
    wide, layout = through(ROOMS, 64, 96, 0.3)
    assert layout.canvases > 1 and wide.max() < 1  # more than the view holds: in tiles


def test_tiles_are_blended_between_their_middles():
    layout = lay_out(32, 120, ROOMS)
    assert len(layout.lefts) > 1 and layout.tops == (0,)
    depths = np.ones((layout.canvases, 32, 48), np.float32)
    depths[1:] = 4.0
    row = join(depths, layout)[16] / layout.factor
    assert row[0] == pytest.approx(1) and row[-1] == pytest.approx(4)
    assert (np.diff(row) > -1e-4).all()


def test_depth_comes_at_another_size_where_asked_for():
    layout = lay_out(64, 96, ROOMS)
    assert join(np.ones((1, 32, 48), np.float32), layout, size=(10, 15)).shape == (10, 15)


@pytest.mark.parametrize("focal", [0.0, -1.0, 0.1, 26, float("nan"), float("inf")])
def test_a_focal_length_that_no_lens_has_is_refused(focal):
    with pytest.raises(ValueError, match="from 0.2 to 10. Received: focal="):
        lay_out(64, 96, ROOMS, focal)


@pytest.mark.parametrize("focal", ["26mm", "0.7", [0.7], (0.7,), True, {"px": 500}, np.ones(2)])
def test_a_focal_length_that_is_no_number_is_refused_in_words(focal):
    with pytest.raises(ValueError, match="over the photo's width.*Received: focal="):
        lay_out(64, 96, ROOMS, focal)


def test_a_focal_length_may_be_a_number_of_numpys():
    assert lay_out(64, 96, ROOMS, np.float32(0.75)) == lay_out(64, 96, ROOMS, 0.75)


def test_a_focal_length_needs_one_of_training():
    with pytest.raises(ValueError, match="known focal length. Received: focal=0.8"):
        lay_out(64, 96, View(32, 48, 1.0), 0.8)
    assert lay_out(64, 96, View(32, 48, 1.0)).factor == 1


@pytest.mark.parametrize(("height", "width"), [(1, 1_000_000), (1, 100_000_000)])
def test_a_photo_that_would_take_thousands_of_inputs_is_refused(height, width):
    view = View(192, 256, max_depth=10.0, focal=0.81, aspect=4 / 3)
    with pytest.raises(ValueError, match=f"at most 256 .* Received: {height}x{width} "):
        lay_out(height, width, view)
    assert lay_out(400, 8000, view).canvases < 50  # a panorama
