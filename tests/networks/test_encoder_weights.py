import json
from functools import partial
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest

from depthlib.downloads import fetch
from depthlib.networks import encoders
from depthlib.networks.encoder_decoder import build_encoder_decoder
from depthlib.networks.encoders import ENCODERS, find_encoder_weights, load_encoder_weights
from tests.parity.segmentation_models_parity import fill_weights, pseudo_weight
from tests.tiny_networks import HEAD, logits_of
from tests.web_server import serve

MOBILENET = ENCODERS["mobilenet_v2"].file


@pytest.fixture
def weights_file(golden, tmp_path):
    """An encoder's weights file in the layout of classification_models under Keras 2."""
    layout = json.loads(str(golden["layout"]))
    path = tmp_path / ENCODERS["resnet34"].file
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


def test_the_encoder_loads_from_a_keras_2_file_by_name(resnet34, golden, weights_file):
    fill_weights(resnet34)
    for layer in resnet34.layers:
        if not layer.name.startswith(("decoder_", "final_")):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    load_encoder_weights(resnet34, "resnet34", weights_file)
    np.testing.assert_allclose(
        logits_of(resnet34, golden["images"]), golden["logits"], rtol=0, atol=1e-5
    )


def test_a_weights_file_without_a_layer_of_the_encoder_is_refused(resnet34, weights_file):
    with h5py.File(weights_file, "a") as file:
        del file["stage4_unit3_conv2"]
    with pytest.raises(ValueError, match="lacks stage4_unit3_conv2 .* Use resnet34_imagenet"):
        load_encoder_weights(resnet34, "resnet34", weights_file)


def test_a_weights_file_with_flipped_bytes_is_refused_by_name_or_read(resnet34, weights_file):
    whole = weights_file.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    # Where the file says how it is laid out, whose first byte nothing reads past, and anywhere.
    for place in [8, 13, 24, *rng.integers(8, 200_000, 17).tolist()]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        weights_file.write_bytes(damaged)
        try:
            load_encoder_weights(resnet34, "resnet34", weights_file)
        except ValueError as error:
            assert str(weights_file) in str(error)
            refused += 1
    assert refused


def test_weights_are_found_by_path_or_in_a_folder_else_refused(resnet34, tmp_path):
    held = tmp_path / MOBILENET
    held.write_text("no weights")
    assert find_encoder_weights("mobilenet_v2", tmp_path) == held
    assert find_encoder_weights("resnet34", held) == held
    with pytest.raises(FileNotFoundError, match="holds resnet34_imagenet.*which is not there"):
        find_encoder_weights("resnet34", tmp_path)
    with pytest.raises(ValueError, match="h5, which is none"):
        load_encoder_weights(resnet34, "resnet34", held)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_failed_download_says_where_to_put_the_file(encoder, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def fail(url, target, digest, **limits):
        assert url.endswith(ENCODERS[encoder].file) and target.parent == tmp_path / "models"
        assert digest.partition(":")[2] == ENCODERS[encoder].digest
        raise ConnectionError("no network")

    monkeypatch.setattr(encoders, "fetch", fail)
    with pytest.raises(FileNotFoundError, match=r"no network.*Put https://.* into .*models"):
        find_encoder_weights(encoder, "imagenet")


@pytest.mark.parametrize("path", ["whole", "endless", "cut", "file"])
def test_a_download_that_is_not_the_file_is_refused_and_not_kept(tmp_path, monkeypatch, path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(encoders, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(encoders, "fetch", partial(fetch, schemes=("http",)))
    with serve() as url:
        wrong = SimpleNamespace(file=path, url=f"{url}/", digest="0" * 32)
        monkeypatch.setitem(encoders.ENCODERS, "resnet34", wrong)
        with pytest.raises(FileNotFoundError, match=f"{path} could not be downloaded"):
            find_encoder_weights("resnet34", "imagenet")
    assert not (tmp_path / "keras").exists()


def test_imagenet_weights_of_keras_applications_load_by_name(shared):
    """The encoder then has the features of the whole classifier, read by Keras itself."""
    path = find_encoder_weights("mobilenet_v2", shared / "weights")
    model = build_encoder_decoder(64, 96, "mobilenet_v2", weights=path, **HEAD)
    theirs = keras.applications.MobileNetV2((64, 96, 3), include_top=False, weights=None)
    whole = keras.applications.MobileNetV2(weights=None)
    whole.load_weights(path)
    theirs.set_weights(whole.get_weights()[: len(theirs.weights)])
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    name = "block_12_add"
    ours = keras.Model(model.input, model.get_layer(name).output).predict_on_batch(photos)
    theirs = keras.Model(theirs.input, theirs.get_layer(name).output)
    expected = theirs.predict_on_batch(photos / np.float32(127.5) - 1)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_resnet50_reads_its_bgr_weights_for_rgb_photos_from_a_file_of_keras_3(tmp_path):
    path = tmp_path / "resnet50_random_notop.weights.h5"
    theirs = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 96, 3))
    theirs.save_weights(path)
    model = build_encoder_decoder(64, 96, "resnet50", weights=path, filters=(8,) * 5, **HEAD)
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    name = "conv2_block1_out"
    ours = keras.Model(model.input, model.get_layer(name).output).predict_on_batch(photos)
    theirs = keras.Model(theirs.input, theirs.get_layer(name).output)
    bgr = keras.applications.resnet.preprocess_input(photos.astype(np.float32))
    np.testing.assert_allclose(ours, theirs.predict_on_batch(bgr), rtol=1e-3, atol=1e-3)


def test_a_file_of_another_network_is_refused(tmp_path, shared):
    other = shared / "weights" / MOBILENET
    with pytest.raises(ValueError, match="must be those of resnet50. Received: .*1.0_224"):
        build_encoder_decoder(64, 96, "resnet50", weights=other, **HEAD)
