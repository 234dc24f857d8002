import keras
import numpy as np
import pytest
from keras import ops

from depthlib.networks import photometric
from depthlib.networks.distillation import take_student
from depthlib.networks.layers import DepthHead
from depthlib.networks.photometric import UNSCALED, add_views

HEIGHT, WIDTH = 24, 40
CAMERA = np.float32([[30, 25, 19, 11]])  # fx, fy, cx, cy


def on_arrays(function):
    """The function with NumPy's arrays in and out, whatever the backend."""

    def call(*arrays):
        found = function(*map(ops.convert_to_tensor, arrays))
        return keras.tree.map_structure(ops.convert_to_numpy, found)

    return call


FUNCTIONS = ("warp", "turn", "sample", "difference", "roughness", "photometric_error")
warp, turn, sample, difference, roughness, photometric_error = (
    on_arrays(getattr(photometric, name)) for name in FUNCTIONS
)


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.1, 0.9, (1, HEIGHT // 4, WIDTH // 4, 3)).astype("float32")
    return ops.convert_to_numpy(ops.image.resize(coarse, (HEIGHT, WIDTH), "bicubic")).clip(0, 1)


def shift(image, columns):
    """The image moved to the left, its edge repeated."""
    places = np.clip(np.arange(WIDTH) + columns, 0, WIDTH - 1)
    return image[:, :, places]


def test_a_stereo_pair_is_warped_by_focal_length_times_baseline_over_depth(photo):
    # At 10 m, with a baseline of 1 m and 30 pixels of focal length: 3 pixels.
    depth = np.full((1, HEIGHT, WIDTH, 1), 10, np.float32)
    motion = np.float32([[0, 0, 0, -1, 0, 0, 1]])  # the right camera: points lie further left
    right = shift(photo, 3)
    seen, inside = warp(right, depth, motion, CAMERA)
    np.testing.assert_allclose(seen[:, :, 3:], photo[:, :, 3:], atol=1e-4)
    assert not inside[:, :, :2].any() and inside[:, :, 4:].all()


def test_a_camera_that_comes_nearer_sees_points_further_out(photo):
    # Half of 10 m nearer: what was 8 pixels from the centre is 16 from it.
    depth = np.full((1, HEIGHT, WIDTH, 1), 10, np.float32)
    motion = np.float32([[0, 0, 0, 0, 0, -5, 1]])
    columns = np.arange(WIDTH, dtype=np.float32)
    view = np.broadcast_to(columns[None, None, :, None], (1, HEIGHT, WIDTH, 3)).copy()
    seen, _ = warp(view, depth, motion, CAMERA)
    seen = seen[0, 11, :, 0]
    np.testing.assert_allclose(seen[15:28], 2 * (columns[15:28] - 19) + 19, atol=1e-3)


def test_points_turn_about_an_axis_as_rodrigues_has_it():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    axes = rng.normal(0, 0.5, (3, 3)).astype("float32")
    points = rng.normal(0, 5, (3, 2, 4, 3)).astype("float32")
    expected = [p @ cv2.Rodrigues(a)[0].T for p, a in zip(points, axes, strict=True)]
    np.testing.assert_allclose(turn(points, axes), np.stack(expected), rtol=1e-3, atol=1e-4)


def test_an_image_is_sampled_between_its_pixels():
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1).repeat(3, axis=-1)
    x, y = np.float32([[[0.5, 2.25, 9]]]), np.float32([[[0, 1.5, 2]]])
    np.testing.assert_allclose(sample(image, x, y)[0, 0, :, 0], [0.5, 8.25, 11], rtol=1e-6)


def test_alike_photos_do_not_differ_and_others_do(photo):
    assert np.abs(difference(photo, photo)).max() < 1e-6
    dark = difference(np.zeros_like(photo), np.ones_like(photo))
    # SSIM of black and white: c1 c2 / ((1 + c1) c2) = 1e-4 / (1 + 1e-4).
    np.testing.assert_allclose(dark, 0.85 * (1 - 1e-4) / 2 + 0.15, rtol=1e-3)


def test_depth_may_change_where_the_photo_does():
    inverse = np.ones((1, HEIGHT, WIDTH, 1), np.float32)
    inverse[:, :, 20:] = 3  # over its mean: .5 and 1.5, one step of 1 in each row
    flat, edge = np.zeros((2, 1, HEIGHT, WIDTH, 3), np.float32)
    edge[:, :, 20:] = 1
    rate = 1 / (WIDTH - 1)
    assert float(roughness(inverse, flat)[0]) == pytest.approx(rate, rel=1e-4)
    assert float(roughness(inverse, edge)[0]) == pytest.approx(rate / np.e, rel=1e-4)


def test_the_right_depth_explains_a_pair_best(photo):
    views = shift(photo, 3)[:, None]
    motions = np.float32([[[0, 0, 0, -1, 0, 0, 1]]])
    errors = {}
    for metres in (5, 8, 10, 13, 30):
        depth = np.full((1, HEIGHT, WIDTH, 1), metres, np.float32)
        errors[metres] = float(photometric_error(depth, photo, views, motions, CAMERA)[0])
    assert min(errors, key=errors.get) == 10 and errors[10] < 0.2 * errors[5]


def test_a_photo_without_views_says_nothing_and_a_missing_view_is_not_looked_at(photo):
    depth = np.full((1, HEIGHT, WIDTH, 1), 10, np.float32)
    right, noise = shift(photo, 3), np.random.default_rng(2).random(photo.shape, np.float32)
    motion, missing = np.float32([0, 0, 0, -1, 0, 0, 1]), np.float32([0, 0, 0, -1, 0, 0, 0])
    alone = photometric_error(depth, photo, right[:, None], motion[None, None], CAMERA)
    both = np.stack([right, noise], axis=1)
    with_missing = photometric_error(depth, photo, both, np.stack([motion, missing])[None], CAMERA)
    np.testing.assert_allclose(with_missing, alone, rtol=1e-5)
    nothing = photometric_error(depth, photo, noise[:, None], missing[None, None], CAMERA)
    assert float(nothing[0]) == 0


def test_what_stands_still_beside_the_camera_is_left_out(photo):
    depth = np.full((1, HEIGHT, WIDTH, 1), 10, np.float32)
    motions = np.float32([[[0, 0, 0, -1, 0, 0, 1]]])
    still = photometric_error(depth, photo, photo[:, None], motions, CAMERA)
    assert float(still[0]) == pytest.approx(0, abs=1e-4)


def test_a_network_learns_the_distance_of_a_wall_from_two_photos_of_it(photo):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    depth = keras.layers.Conv2D(1, 1, kernel_initializer="zeros", use_bias=True)(x)
    depth = DepthHead(1, 49)(depth)  # 7 m at first
    student = keras.Model(inputs, depth, name="student")
    model = add_views(student, ["right"])
    model.compile(keras.optimizers.Adam(0.02), loss=None)
    rgb = np.rint(photo * 255).astype(np.uint8)
    # As if from a camera of half the focal length: what it sees at 10 m is at 5 m for the network.
    batch = {
        "data": rgb,
        "photos": np.stack([rgb, shift(rgb, 3)], axis=1),
        "motions": np.float32([[[0, 0, 0, -1, 0, 0, 1]]]),
        "cameras": np.append(CAMERA, 0.5)[None].astype(np.float32),
    }
    before = student.predict_on_batch(rgb).mean()
    for _ in range(60):
        model.train_on_batch(batch)
    after = student.predict_on_batch(rgb)
    assert before == pytest.approx(7, rel=1e-3)
    np.testing.assert_array_equal(take_student(model).predict_on_batch(rgb), after)
    assert np.median(after) == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize(("state", "expected"), [(UNSCALED, 2.0), (1, 1.0)])
def test_a_shift_known_up_to_a_factor_takes_the_one_that_explains_the_photo(photo, state, expected):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    head = DepthHead(1, 80)
    wall = keras.layers.Lambda(lambda x: head.logit(10) + 0.0 * ops.cast(x[..., :1], "float32"))
    student = keras.Model(inputs, head(wall(inputs)), name="student")
    model = add_views(student, ["next"])
    model.compile(keras.optimizers.Adam(0.02), loss=None)
    rgb = np.rint(photo * 255).astype(np.uint8)
    batch = {
        "data": rgb,
        "photos": np.stack([rgb, shift(rgb, 3)], axis=1),
        "motions": np.float32([[[0, 0, 0, -0.5, 0, 0, state]]]),  # 3 pixels at 10 m are a metre
        "cameras": np.append(CAMERA, 1)[None].astype(np.float32),
    }
    for _ in range(80):
        model.train_on_batch(batch)
    factor = float(ops.exp(model.layers[-1].log_factor))
    assert factor == pytest.approx(expected, rel=0.05)


def test_what_learned_from_views_is_saved_with_its_factor(photo, tmp_path):
    inputs = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    features = keras.layers.Conv2D(1, 1)(keras.layers.Rescaling(1 / 255)(inputs))
    student = keras.Model(inputs, DepthHead(1, 80)(features), name="student")
    model = add_views(student, ["right", "previous"])
    model.layers[-1].log_factor.assign(0.7)
    model.save(tmp_path / "last.keras")
    again = keras.saving.load_model(tmp_path / "last.keras")
    assert again.layers[-1].views == ("right", "previous")
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
