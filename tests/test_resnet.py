import json

import h5py
import keras
import numpy as np
import pytest

from depthlib import resnet
from depthlib.arithmetic import count_macs
from depthlib.resnet import build_resnet34, download_resnet34_weights, load_encoder_weights
from tests.networks import HEAD, assert_trains_and_reloads
from tests.parity.segmentation_models_parity import GOLDEN, fill_weights, pseudo_weight


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def model(golden):
    return build_resnet34(*golden["images"].shape[1:3], **HEAD)


@pytest.fixture
def weights_file(golden, tmp_path):
    """An encoder's weights file in the layout of classification_models under Keras 2."""
    layout = json.loads(str(golden["layout"]))
    path = tmp_path / resnet.RESNET34_WEIGHTS
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = list(layout)
        file.attrs["backend"] = "tensorflow"
        file.attrs["keras_version"] = "2.2.4"
        for layer, weights in layout.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name for name, _ in weights]
            for name, shape in weights:
                kind = name.split("/")[-1].removesuffix(":0")
                group[name] = pseudo_weight(layer, kind, shape)
    return path


def logits_of(model, images):
    logits = keras.Model(model.input, model.get_layer("final_conv").output)
    return logits.predict_on_batch(images)


def test_it_has_the_parameters_and_the_arithmetic_of_the_seed(model):
    assert model.count_params() == 24_456_154
    share = 64 * 96 / 128**2
    assert count_macs(model) / share == pytest.approx(1.95e9, rel=0.01)


def test_it_answers_as_segmentation_models_does(model, golden):
    fill_weights(model)
    np.testing.assert_allclose(
        logits_of(model, golden["images"]), golden["logits"], rtol=0, atol=1e-5
    )


def test_the_encoder_loads_from_a_keras_2_file_by_name(model, golden, weights_file):
    fill_weights(model)
    for layer in model.layers:
        if not layer.name.startswith(("decoder_", "final_")):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    load_encoder_weights(model, weights_file)
    np.testing.assert_allclose(
        logits_of(model, golden["images"]), golden["logits"], rtol=0, atol=1e-5
    )


def test_a_weights_file_without_a_layer_of_the_encoder_is_refused(model, weights_file):
    with h5py.File(weights_file, "a") as file:
        del file["stage4_unit3_conv2"]
    with pytest.raises(ValueError, match="lacks stage4_unit3_conv2 .* Use resnet34_imagenet"):
        load_encoder_weights(model, weights_file)


def test_weights_that_are_no_file_or_no_weights_are_refused(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.h5, which is not there"):
        load_encoder_weights(model, tmp_path / "nowhere.h5")
    text = tmp_path / "text.h5"
    text.write_text("no weights")
    with pytest.raises(ValueError, match="text.h5, which is none"):
        load_encoder_weights(model, text)


def test_a_failed_download_says_where_to_put_the_file(monkeypatch):
    def fail(*_, **options):
        assert options["file_hash"] == "8caaa0ad39d927cb8ba5385bf945d582"
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    with pytest.raises(FileNotFoundError, match=r"fetch failure.*Put https://.* into .*models"):
        download_resnet34_weights()


def test_a_size_that_the_strides_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="`height` must be a multiple of 32. Received: height=130"):
        build_resnet34(130, 128, **HEAD)


def test_it_trains_a_step_and_comes_back_from_its_file(model, tmp_path):
    fill_weights(model)
    assert_trains_and_reloads(model, tmp_path)
