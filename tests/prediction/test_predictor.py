import keras
import numpy as np
import pytest

from depthlib.data.specs import NYU_TRAIN
from depthlib.networks.layers import DepthHead
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor

HEAD = {"min_depth": 0.1, "max_depth": 10.0, "unit": "metre", "dataset": "nyu_train"}
VIEW = {"focal": NYU_TRAIN.focal, "aspect": 48 / 32, "horizon": None}


@pytest.fixture(scope="module")
def model():
    """A network of one convolution: what the rest of a real one does not matter here."""
    keras.utils.set_random_seed(0)
    photos = keras.Input((32, 48, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(photos)
    logits = keras.layers.Conv2D(1, 3, padding="same")(scaled)
    return keras.Model(photos, DepthHead(**HEAD, view=VIEW)(logits), name="tiny")


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)


def test_a_saved_network_needs_nothing_but_its_path(model, photo, tmp_path):
    model.save(tmp_path / "tiny.keras")
    predict = Predictor(load_model(tmp_path / "tiny.keras"))
    assert (predict.unit, predict.dataset, predict.max_depth) == ("metre", "nyu_train", 10.0)
    assert (predict.height, predict.width) == (32, 48)
    expected = keras.ops.convert_to_numpy(model(photo[None]))[0, ..., 0]
    np.testing.assert_allclose(predict([photo])[0], expected, rtol=1e-5)


def test_each_photo_gets_depth_at_its_own_size(model, photo):
    large = np.repeat(np.repeat(photo, 3, axis=0), 2, axis=1)
    depths = Predictor(model, batch_size=2)([photo, large, photo])
    assert [depth.shape for depth in depths] == [(32, 48), (96, 96), (32, 48)]
    assert depths[1].dtype == np.float32 and 0.1 <= depths[1].min() <= depths[1].max() <= 10
    np.testing.assert_allclose(depths[0], depths[2])


def test_the_flip_average_is_the_same_for_a_photo_and_its_mirror_image(model, photo):
    predict = Predictor(model)
    (depth,), (mirrored,) = (predict([p], flip_average=True) for p in (photo, photo[:, ::-1]))
    np.testing.assert_allclose(depth, mirrored[:, ::-1], rtol=1e-5)
    assert np.abs(depth - predict([photo])[0]).max() > 1e-4


def test_a_photo_is_preprocessed_at_the_networks_size(model, photo):
    def invert(rgb):
        assert rgb.shape == (32, 48, 3)
        return 255 - rgb

    large = np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)
    changed = Predictor(model, preprocess=invert)([large, photo])
    expected = Predictor(model)([255 - large, 255 - photo])
    for depth, other in zip(changed, expected, strict=True):
        np.testing.assert_allclose(depth, other, rtol=1e-5)


def test_what_preprocessing_makes_must_be_a_photo(model, photo):
    with pytest.raises(ValueError, match="uint8 RGB.*float64"):
        Predictor(model, preprocess=lambda rgb: rgb / 2)([photo])


@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 4), (1, 32, 48, 3)])
def test_what_is_no_photo_is_refused(model, shape):
    with pytest.raises(ValueError, match="uint8 RGB"):
        Predictor(model)([np.zeros(shape, np.uint8)])
    with pytest.raises(ValueError, match="float32"):
        Predictor(model)([np.zeros((32, 48, 3), np.float32)])


def test_a_missing_model_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.keras.*train_resnet.ipynb"):
        load_model(tmp_path / "missing.keras")
