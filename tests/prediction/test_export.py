import warnings
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from depthlib.data.images import read_rgb
from depthlib.networks.encoders import IMAGENET_MEAN
from depthlib.networks.ensemble import build_ensemble
from depthlib.networks.layers import DepthHead
from depthlib.networks.unet import build_unet
from depthlib.prediction.export import LARGEST_DIFFERENCE, export_network, export_onnx
from depthlib.prediction.interface import DepthPredictor
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


# Height and width: 4:3, 16:9, 1:1, 9:16, 3.3:1.
SHAPES = ((48, 64), (45, 80), (50, 50), (80, 45), (30, 99))


def draw_photos(sample):
    """Parts of a real photo in several shapes."""
    photo = read_rgb(sample / "nyu2_test" / "00030_colors.png")
    return [photo[: 2 * height, : 2 * width] for height, width in SHAPES]


@pytest.mark.parametrize("weights", ["float32", "int16", "int8"])
def test_onnx_has_keras_depth_of_photos_of_any_shape(trained, tmp_path, sample, weights):
    path = export_network(trained, tmp_path / "n.onnx", weights=weights)
    ours, theirs = Predictor(trained), OnnxPredictor(path)
    assert ours.view == theirs.view
    for photo in draw_photos(sample):
        (expected,), (depth_m,) = ours([photo]), theirs([photo])
        assert depth_m.shape == photo.shape[:2]
        np.testing.assert_allclose(depth_m, expected, rtol=LARGEST_DIFFERENCE[weights])


class Called(DepthPredictor):
    """A network that another runtime computes, a photo at a time."""

    def __init__(self, view, call):
        super().__init__(view, "metre", "")
        self.call = call

    def predict_batch(self, batch):
        return np.stack([self.call(photo[np.newaxis])[0, ..., 0] for photo in batch])


def open_litert(path):
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def call(photo):
        interpreter.set_tensor(entry["index"], photo)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return call


def test_the_file_of_an_ensemble_says_that_its_members_are_hidden(tmp_path, trained):
    twin = keras.models.clone_model(trained)
    both = build_ensemble([trained, twin])
    assert OnnxPredictor(export_network(both, tmp_path / "two.onnx")).hidden == 2
    assert OnnxPredictor(export_network(trained, tmp_path / "one.onnx")).hidden == 0


def test_operators_that_litert_alone_has_not_are_told(tmp_path, trained):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        export_network(trained, tmp_path / "n.tflite", "litert")
    assert not any("Flex" in str(each.message) for each in told)
    half = keras.models.clone_model(trained, clone_function=in_bfloat16)
    with pytest.warns(UserWarning, match="n.tflite has operators of TensorFlow's .FlexAddV2, Flex"):
        export_network(half, tmp_path / "n.tflite", "litert")


def in_bfloat16(layer):
    config = layer.get_config()
    if not isinstance(layer, DepthHead | keras.layers.InputLayer):
        config["dtype"] = "mixed_bfloat16"
    return type(layer).from_config(config)


def open_openvino(path):
    import openvino

    network = openvino.compile_model(path)
    return lambda photo: network(photo)[network.output(0)]


@pytest.mark.parametrize(
    ("kind", "package", "name", "open_runtime"),
    [
        ("litert", "tensorflow", "n.tflite", open_litert),
        ("openvino", "openvino", "n.xml", open_openvino),
    ],
)
def test_other_runtimes_have_keras_depth_too(
    trained, tmp_path, sample, kind, package, name, open_runtime
):
    pytest.importorskip(package)
    path = export_network(trained, tmp_path / "out" / name, kind)
    ours = Predictor(trained)
    theirs = Called(ours.view, open_runtime(path))
    for photo in draw_photos(sample):
        np.testing.assert_allclose(theirs([photo])[0], ours([photo])[0], rtol=1e-3)
    written = [file for file in path.parent.iterdir() if not file.name.startswith(".")]
    assert {*path.parent.iterdir()} == {
        *written, *(file.with_name(f".{file.name}.sha256") for file in written)
    }  # fmt: skip


@pytest.mark.parametrize("theirs", ["n.xml", "n.bin"])
def test_a_network_of_ones_own_is_never_exported_over(tmp_path, monkeypatch, theirs):
    class Network:
        def export(self, path, kind, verbose):
            for suffix in (".bin", ".xml"):
                Path(path).with_suffix(suffix).write_text("ours")

    monkeypatch.setattr("depthlib.prediction.export.find_spec", lambda package: "found")
    monkeypatch.setattr("depthlib.prediction.export._name_output", lambda model: Network())
    (tmp_path / theirs).write_text("theirs")
    with pytest.raises(FileExistsError, match=f"must not be written over. Received: .*{theirs}"):
        export_network(None, tmp_path / "n.xml", "openvino")
    assert (tmp_path / theirs).read_text() == "theirs" and len(list(tmp_path.iterdir())) == 1
    (tmp_path / theirs).unlink()
    for _ in range(2):
        export_network(None, tmp_path / "n.xml", "openvino")
    assert (tmp_path / "n.bin").read_text() == "ours"
    (tmp_path / "n.onnx").write_text("theirs")
    with pytest.raises(FileExistsError, match="must not be written over. Received: .*n.onnx"):
        export_network(None, tmp_path / "n.onnx")


@pytest.mark.parametrize(
    ("name", "kind", "weights", "error", "said"),
    [
        ("n.onnx", "torch", "float32", ValueError, "`kind` must be one of onnx, litert, openvino"),
        ("n.onnx", "litert", "float32", ValueError, r"for litert must end in .tflite. Received"),
        ("n.tflite", "onnx", "float32", ValueError, r"for onnx must end in .onnx. Received"),
        ("n.keras", "onnx", "float32", ValueError, r"for onnx must end in .onnx. Received"),
        ("n.tflite", "litert", "int8", ValueError, "must have float32 weights. Received: int8"),
        ("n.xml", "openvino", "float32", ImportError, "needs the package openvino, which is not"),
    ],
)
def test_what_cannot_be_written_is_said(
    trained, tmp_path, monkeypatch, name, kind, weights, error, said
):
    monkeypatch.setattr("depthlib.prediction.export.find_spec", lambda package: None)
    with pytest.raises(error, match=said):
        export_network(trained, tmp_path / name, kind, weights)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_export_names_it(tmp_path, trained, monkeypatch):
    def export_without_tf2onnx(self, *arguments, **named):
        raise ImportError("This requires the tf2onnx module.")

    monkeypatch.setattr(keras.Model, "export", export_without_tf2onnx)
    with pytest.raises(ImportError, match=r"tf2onnx module. Use pip install -e .\[peers\]"):
        export_onnx(trained, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())
