import keras
import numpy as np
import pytest

from depthlib.networks.layers import (
    DepthHead,
    StretchRange,
    add_depth_head,
    as_float32,
    check_size,
    prepare_photos,
)


@pytest.fixture
def mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def depth_of(head, logits):
    return keras.ops.convert_to_numpy(head(np.array(logits, np.float32)))


def test_the_linear_head_is_a_sigmoid_of_the_maximum():
    head = DepthHead(0.1, 8.0, scale="linear")
    np.testing.assert_allclose(depth_of(head, [0.0, np.log(3)]), [4.0, 6.0], rtol=1e-6)


def test_the_log_head_runs_from_minimum_to_maximum_through_the_geometric_middle():
    head = DepthHead(0.1, 10.0, scale="log")
    np.testing.assert_allclose(depth_of(head, [-100.0, 0.0, 100.0]), [0.1, 1.0, 10.0], rtol=1e-5)


def test_bins_give_the_mean_of_the_log_spaced_centres_that_the_logits_weigh():
    head = DepthHead(0.1, 10.0, scale="bins")
    logits = np.zeros((2, 64))
    logits[1, 63] = 100.0
    # Evenly weighed: the mean of 64 midpoints of exp over the log range. One alone: its centre.
    middle = np.mean(0.1 * 100 ** ((np.arange(64) + 0.5) / 64))
    expected = [[middle], [0.1 * 100 ** (63.5 / 64)]]
    np.testing.assert_allclose(depth_of(head, logits), expected, rtol=1e-5)
    features = keras.Input((4, 6, 8))
    model = keras.Model(
        features, add_depth_head(features, min_depth=0.1, max_depth=10.0, scale="bins")
    )
    assert model.output_shape == (None, 4, 6, 1)
    np.testing.assert_allclose(model.predict_on_batch(np.ones((1, 4, 6, 8))), middle, rtol=1e-5)


def test_depth_is_enlarged_bilinearly():
    logits = np.array([0.0, np.log(3)]).reshape(1, 1, 2, 1)
    depth = depth_of(DepthHead(0.1, 8.0, scale="linear", enlarge=2), logits)
    # Half of 8 m and three quarters of it; between them a quarter and three quarters of the way.
    np.testing.assert_allclose(depth[0, :, :, 0], [[4.0, 4.5, 5.5, 6.0]] * 2, rtol=1e-6)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_logit_is_the_inverse_of_the_head(scale):
    head = DepthHead(0.1, 10.0, scale=scale)
    depths = [0.2, 2.5, 9.0]
    np.testing.assert_allclose(depth_of(head, [head.logit(d) for d in depths]), depths, rtol=1e-5)


def test_the_head_survives_its_config():
    head = DepthHead(1, 80, scale="linear", unit="metre", dataset="kitti")
    config = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert config.get_config() == head.get_config()
    assert (config.max_depth, config.dataset, config.unit) == (80.0, "kitti", "metre")


@pytest.mark.parametrize(
    "wrong", [{"scale": "cubic"}, {"unit": "feet"}, {"min_depth": 0}, {"max_depth": 0.1}]
)
def test_a_head_without_a_sound_range_is_refused(wrong):
    with pytest.raises(ValueError, match=f"`.*{next(iter(wrong))}.*Received"):
        DepthHead(**{"min_depth": 0.1, "max_depth": 10.0, **wrong})


def test_first_predictions_are_a_quarter_of_the_range_in_float32(mixed_precision):
    features = keras.Input((4, 6, 8))
    model = keras.Model(features, add_depth_head(features, min_depth=0.1, max_depth=10.0))
    depth = model.predict_on_batch(np.random.default_rng(0).normal(size=(2, 4, 6, 8)) * 100)
    assert depth.dtype == np.float32 and depth.shape == (2, 4, 6, 1)
    np.testing.assert_allclose(depth, 2.575, rtol=1e-5)


def test_a_size_between_the_strides_is_refused_with_the_nearest_ones():
    check_size(128, 160, 32)
    with pytest.raises(ValueError) as error:
        check_size(130, 160, 32)
    assert str(error.value) == (
        "`height` must be a multiple of 32. Received: height=130. Use 128 or 160."
    )
    with pytest.raises(ValueError, match="`width` .* Received: width=0. Use 32."):
        check_size(128, 0, 32)


def test_a_network_of_mixed_precision_becomes_one_of_float32(mixed_precision):
    keras.utils.set_random_seed(0)  # how far rounding reaches depends on the kernel
    images = keras.Input((32, 48, 3))
    features = keras.layers.Conv2D(4, 3, padding="same")(images)
    mixed = keras.Model(images, add_depth_head(features, min_depth=0.1, max_depth=10))
    mixed.layers[-2].kernel.assign(np.ones(mixed.layers[-2].kernel.shape))
    network = as_float32(mixed)
    assert mixed.layers[1].compute_dtype == "bfloat16"
    assert {layer.compute_dtype for layer in network.layers[1:]} == {"float32"}
    photos = np.random.default_rng(0).random((2, 32, 48, 3), np.float32)
    depth, rounded = (model.predict(photos, verbose=0) for model in (network, mixed))
    assert 0 < np.abs(depth - rounded).max() < 0.1


def test_photos_are_stretched_each_to_its_own_range_over_all_channels():
    photos = np.zeros((3, 1, 2, 3), np.uint8)
    photos[0] = [[[10, 20, 30], [60, 50, 40]]]  # reach 50: 255 / 50 = 5.1 for a step
    photos[1] = [[[0, 255, 7], [0, 0, 0]]]
    photos[2] = 99  # flat
    stretched = keras.ops.convert_to_numpy(StretchRange()(photos))
    expected = [[[0, 51, 102], [255, 204, 153]]]
    np.testing.assert_allclose(stretched[0], expected, rtol=1e-6)
    np.testing.assert_allclose(stretched[1], photos[1], rtol=1e-6)
    assert (stretched[2] == 0).all()


def test_channels_are_swapped_and_photos_left_as_they_are_unless_asked():
    images = keras.Input((4, 6, 3), dtype="uint8")
    assert prepare_photos(images) is images
    network = keras.Model(images, prepare_photos(images, "bgr", normalise=True))
    photo = np.zeros((1, 4, 6, 3), np.uint8)
    photo[0, 0, 0] = 2, 4, 10
    pixel = network.predict_on_batch(photo)[0, 0, 0]
    np.testing.assert_allclose(pixel, [255, 102, 51], rtol=1e-6)
