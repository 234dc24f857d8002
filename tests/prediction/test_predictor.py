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


def test_networks_in_memory_are_told_apart_by_their_weights(model):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    first, second = Predictor(model), Predictor(twin)
    assert first.describe("") == second.describe("") != ""
    weights = twin.get_weights()
    twin.set_weights([weights[0] + 1e-3, *weights[1:]])
    assert second.describe("") != first.describe("")


@pytest.mark.parametrize("view", [{"camera": 1}, [0.8], {"focal": -1}, {"aspect": "4:3"}])
def test_a_view_that_a_file_cannot_hold_is_refused(view):
    photos = keras.Input((32, 48, 3), dtype="uint8")
    logits = keras.layers.Conv2D(1, 3, padding="same")(keras.layers.Rescaling(1 / 255)(photos))
    other = keras.Model(photos, DepthHead(**HEAD, view=view)(logits))
    with pytest.raises(ValueError, match="what a network sees|view of a network must be"):
        Predictor(other)


def test_a_missing_model_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.keras.*train_resnet.ipynb"):
        load_model(tmp_path / "missing.keras")
