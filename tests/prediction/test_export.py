from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from depthlib.networks.encoders import IMAGENET_MEAN
from depthlib.networks.ensemble import build_ensemble
from depthlib.networks.layers import DepthHead
from depthlib.networks.unet import build_unet
from depthlib.prediction.export import LARGEST_DIFFERENCE, export_onnx
from depthlib.prediction.onnx import OnnxPredictor
from depthlib.prediction.predictor import Predictor
from tests.tiny_networks import HEAD, photos


@pytest.fixture(scope="module")
def trained():
    """A network whose batch norms are not what they start as, so that their place shows."""
    keras.utils.set_random_seed(0)
    network = build_unet(32, 48, **HEAD)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # gamma, beta, mean, variance
            centres = zip(layer.get_weights(), (1, 0, 0, 1), strict=True)
            layer.set_weights([rng.normal(centre, 0.1, w.shape) for w, centre in centres])
    kernel = network.get_layer("final_conv").kernel
    kernel.assign(rng.normal(0, 0.1, kernel.shape))
    return network


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export_onnx(trained, tmp_path_factory.mktemp("onnx") / "network.onnx")


def test_the_onnx_network_gives_keras_depth_for_any_batch(trained, exported):
    session = onnxruntime.InferenceSession(exported)
    images = photos(32, 48)
    expected = trained.predict_on_batch(images)
    assert np.ptp(expected) > 0.1
    for batch in (images, images[1:]):
        (depth_m,) = session.run(["depth_m"], {"data": batch})
        assert depth_m.dtype == np.float32
        np.testing.assert_allclose(depth_m, expected[-len(batch) :], rtol=1e-4)


def test_it_is_called_as_any_peer_and_its_output_bears_the_unit(trained, exported, tmp_path):
    photo = photos(32, 48)[0]
    (expected,) = Predictor(trained)([photo], True)
    (depth_m,) = OnnxPredictor(exported)([photo], True)
    np.testing.assert_allclose(depth_m, expected, rtol=1e-4)
    relative = build_unet(32, 48, **HEAD | {"unit": "relative"})
    path = export_onnx(relative, tmp_path / "relative.onnx")
    assert [output.name for output in onnx.load(path).graph.output] == ["depth_rel"]


def test_an_ensemble_with_photos_of_imagenets_mean_is_written_too(tmp_path):
    keras.utils.set_random_seed(0)

    def build(*layers):
        data = keras.Input((32, 48, 3), dtype="uint8")
        features = keras.layers.Normalization(mean=IMAGENET_MEAN, variance=(1, 4, 9))(data)
        for layer in layers:
            features = layer(features)
        return keras.Model(data, DepthHead(0.1, 10.0)(keras.layers.Conv2D(1, 1)(features)))

    halved = keras.layers.AveragePooling2D(2), keras.layers.UpSampling2D()
    ensemble = build_ensemble([build(), build(*halved)])
    images = photos(32, 48)
    expected = ensemble.predict_on_batch(images)
    assert np.ptp(expected) > 1
    session = onnxruntime.InferenceSession(export_onnx(ensemble, tmp_path / "two.onnx"))
    np.testing.assert_allclose(session.run(None, {"data": images})[0], expected, rtol=1e-4)


def test_onnx_runtime_folds_batch_norms_and_repeats_no_maps(trained, exported, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(exported, options)
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    kinds = Counter(node.op_type for node in nodes)
    convolutions = [layer for layer in trained.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kinds["Conv"] + kinds["FusedConv"] == len(convolutions)
    assert kinds["BatchNormalization"] == kinds["Tile"] == 0 and kinds["Resize"] == 5
    # What multiplies is the scaling to 0..1 and the depth head, what adds are the residual blocks.
    assert kinds["Mul"] <= 3 and kinds["Add"] <= 8


def test_an_onnx_network_that_computes_something_else_is_not_written(
    tmp_path, trained, monkeypatch
):
    monkeypatch.setitem(LARGEST_DIFFERENCE, "float32", 0.0)
    with pytest.raises(ValueError, match="must give the same depth .* Received: .* for unet"):
        export_onnx(trained, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_export_names_it(tmp_path, trained, monkeypatch):
    def export_without_tf2onnx(self, *arguments, **named):
        raise ImportError("This requires the tf2onnx module.")

    monkeypatch.setattr(keras.Model, "export", export_without_tf2onnx)
    with pytest.raises(ImportError, match=r"tf2onnx module. Use pip install -e .\[peers\]"):
        export_onnx(trained, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())
