"""Our networks as ONNX, for any runtime: the same depth, in the operators that run fastest."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from depthlib.files import replace_file
from depthlib.networks.layers import Tensor
from depthlib.prediction.onnx import INSTALL, METADATA, OnnxPredictor
from depthlib.prediction.predictor import view_of

LARGEST_DIFFERENCE = 1e-3  # of the depth, between Keras and ONNX Runtime; rounding makes 1e-6


def export_onnx(model: keras.Model, target: Path | str) -> Path:
    """Writes a network, as `load_model` gives it, as ONNX; gives `target`.

    Input `data`: uint8 RGB (batch, height, width, 3) of the network's size. Output `depth_m`, or
    `depth_rel` where depth is relative: float32 (batch, height, width, 1). ONNX Runtime folds
    every batch norm behind a convolution into it.
    Errors: ImportError without the extra `peers`; ValueError where ONNX Runtime's depth is not
    Keras' depth, because a layer has no exact counterpart.
    """
    unit = {"metre": "depth_m", "relative": "depth_rel"}[model.layers[-1].unit]
    plain = _use_plain_layers(model)
    named = keras.Model(plain.inputs, {unit: plain.outputs[0]})
    with replace_file(target) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks for np.object
        try:
            named.export(temporary, "onnx", verbose=False, input_signature=named.inputs)
        except ImportError as error:
            raise ImportError(
                f"Writing ONNX needs more than is installed: {error} Use {INSTALL}"
            ) from error
        _repeat_pixels(temporary)
        _describe(model, temporary)
        _check_agreement(model, temporary)
    return Path(target)


class _Resize(keras.layers.UpSampling2D):
    """Nearest upsampling as the one operator Resize, where Keras' repeats and reshapes.

    In ONNX Runtime that takes a tenth off the time of a light network.
    """

    def call(self, inputs: Tensor) -> Tensor:
        size = [n * times for n, times in zip(inputs.shape[1:3], self.size, strict=True)]
        return keras.ops.image.resize(inputs, size, "nearest")


def _use_plain_layers(model: keras.Model) -> keras.Model:
    """The same network, those in an ensemble too, of layers that become few operators."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest":
            return _Resize.from_config(layer.get_config())
        if isinstance(layer, keras.layers.Normalization):  # its constants would become inputs
            scale = np.ravel(1 / np.sqrt(layer.input_variance))
            return keras.layers.Rescaling(scale, -np.ravel(layer.input_mean) * scale)
        return layer.__class__.from_config(layer.get_config())

    network = keras.models.clone_model(model, clone_function=clone, recursive=True)
    network.set_weights(model.get_weights())
    return network


def _repeat_pixels(path: Path) -> None:
    """Has each nearest Resize count from pixels' corners, not centres.

    When a map grows by a whole number both repeat its pixels; ONNX Runtime is fast at the first
    alone, and ONNX has deprecated what TensorFlow's becomes.
    """
    import onnx

    network = onnx.load(path)
    for node in network.graph.node:
        settings = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Resize" and settings["mode"].s == b"nearest":
            settings["coordinate_transformation_mode"].s = b"asymmetric"
            settings["nearest_mode"].s = b"floor"
    onnx.save(network, path)


def _describe(model: keras.Model, path: Path) -> None:
    """Writes into the file what its network sees, so that whoever calls it needs no more."""
    import onnx

    head, view = model.layers[-1], asdict(view_of(model))
    del view["height"], view["width"]  # the input's own
    own = {"view": view, "unit": head.unit, "dataset": head.dataset}
    network = onnx.load(path)
    onnx.helper.set_model_props(network, {METADATA: json.dumps(own)})
    onnx.save(network, path)


def _check_agreement(model: keras.Model, path: Path) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, model.input_shape[1:], np.uint8)
    depth = model.predict_on_batch(photo[np.newaxis])[0, ..., 0]
    difference = np.abs(OnnxPredictor(path).run(photo) / depth - 1).max()
    if not difference < LARGEST_DIFFERENCE:
        raise ValueError(
            f"A network must give the same depth in ONNX, to {LARGEST_DIFFERENCE:g} of it. "
            f"Received: a difference of {difference:.1e} for {model.name}. Use other layers in "
            "place of those that have no exact counterpart there."
        )
