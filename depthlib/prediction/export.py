"""Our networks for other runtimes: the same depth, in the operators that run fastest."""

import json
import re
import warnings
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import keras
import numpy as np

from depthlib.files import NETWORK, check_ours, replace_ours
from depthlib.networks.ensemble import count_members
from depthlib.networks.layers import Tensor
from depthlib.prediction.onnx import INSTALL, METADATA, OnnxPredictor
from depthlib.prediction.predictor import view_of

if TYPE_CHECKING:
    import onnx

# Of the depth, between Keras and ONNX Runtime, by how weights are stored. Rounding makes 1e-6.
LARGEST_DIFFERENCE = {"float32": 1e-3, "int16": 1e-3, "int8": 0.1}
LEAST_WEIGHTS = 2000  # a tensor of fewer values stays float32: it would save nothing

# How the file of each runtime ends, and the package that writes it.
FORMATS = {
    "onnx": (".onnx", "onnx"),
    "litert": (".tflite", "tensorflow"),
    "openvino": (".xml", "openvino"),
}


def export_network(
    model: keras.Model, target: Path | str, kind: str = "onnx", weights: str = "float32"
) -> Path:
    """Writes a network, as `load_model` gives it, for a runtime of FORMATS; gives `target`.

    Input and output are those of `export_onnx`, which writes ONNX; the others are Keras' own and do
    not say what their network sees, so `geometry` needs its view from elsewhere. OpenVINO has a
    second file beside the first, .bin. weights: see `export_onnx`; the others have float32.
    Errors: those of `export_onnx`; ValueError for another kind or suffix, or for weights that the
    kind does not have; ImportError that names the package that is missing; those of
    `files.replace_ours`.
    """
    target = Path(target)
    if kind not in FORMATS:
        raise ValueError(f"`kind` must be one of {', '.join(FORMATS)}. Received: kind={kind!r}.")
    suffix, package = FORMATS[kind]
    if target.suffix != suffix:
        raise ValueError(f"A network for {kind} must end in {suffix}. Received: {target}.")
    check_ours(target, kind=NETWORK)  # before a minute of work
    if kind == "onnx":
        return export_onnx(model, target, weights)
    if weights != "float32":
        raise ValueError(
            f"A network for {kind} must have float32 weights. Received: {weights}. Use onnx."
        )
    if find_spec(package) is None:
        raise ImportError(
            f"Writing for {kind} needs the package {package}, which is not installed. Use "
            f"pip install {package}, or onnx, which most runtimes read."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=target.parent) as folder:
        _name_output(model).export(Path(folder, target.name).as_posix(), kind, verbose=False)
        written = {file: target.with_name(file.name) for file in sorted(Path(folder).iterdir())}
        for place in written.values():  # all, before the first is written
            check_ours(place, kind=NETWORK)
        if kind == "litert":
            _warn_of_flex(Path(folder, target.name).read_bytes(), target)
        for file, place in written.items():
            with replace_ours(place, NETWORK) as temporary:
                file.replace(temporary)
    return target


def export_onnx(model: keras.Model, target: Path | str, weights: str = "float32") -> Path:
    """Writes a network, as `load_model` gives it, as ONNX; gives `target`.

    Input `data`: uint8 RGB (batch, height, width, 3) of the network's size. Output `depth_m`, or
    `depth_rel` where depth is relative: float32 (batch, height, width, 1). ONNX Runtime folds
    every batch norm behind a convolution into it. What its network sees is in the file's metadata.
    weights: how they are stored, a key of LARGEST_DIFFERENCE; it is computed with float32 whatever
    they are. "int16" halves the file, "int8" quarters it.
    Errors: ImportError without the extra `peers`; ValueError for other `weights`, and where ONNX
    Runtime's depth is not Keras' depth, because a layer has no exact counterpart; those of
    `files.replace_ours`.
    """
    if weights not in LARGEST_DIFFERENCE:
        raise ValueError(
            f"`weights` must be one of {', '.join(LARGEST_DIFFERENCE)}. "
            f"Received: weights={weights!r}."
        )
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"Writing ONNX needs the package onnx. Use {INSTALL}") from error
    named = _name_output(model)
    with replace_ours(target, NETWORK) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks for np.object
        try:
            named.export(temporary, "onnx", verbose=False, input_signature=named.inputs)
        except ImportError as error:
            raise ImportError(
                f"Writing ONNX needs more than is installed: {error} Use {INSTALL}"
            ) from error
        network = onnx.load(temporary)
        _repeat_pixels(network)
        _describe(model, network)
        if weights != "float32":
            _store_weights(network, weights)
        onnx.save(network, temporary)
        _check_agreement(model, temporary, LARGEST_DIFFERENCE[weights])
    return Path(target)


def _warn_of_flex(network: bytes, target: Path) -> None:
    """Warns of operators of TensorFlow's in a LiteRT file, which LiteRT alone does not have."""
    names = sorted({name.decode() for name in re.findall(rb"Flex[A-Z]\w+", network)})
    if names:
        warnings.warn(
            f"{target} has operators of TensorFlow's ({', '.join(names)}), which LiteRT opens only "
            "with its Flex delegate. ONNX needs no such.",
            stacklevel=3,
        )


def _name_output(model: keras.Model) -> keras.Model:
    """The same network of plain layers, whose output bears the name of its unit."""
    unit = {"metre": "depth_m", "relative": "depth_rel"}[model.layers[-1].unit]
    plain = _use_plain_layers(model)
    return keras.Model(plain.inputs, {unit: plain.outputs[0]})


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


def _repeat_pixels(network: "onnx.ModelProto") -> None:
    """Has each nearest Resize count from pixels' corners, not centres.

    When a map grows by a whole number both repeat its pixels; ONNX Runtime is fast at the first
    alone, and ONNX has deprecated what TensorFlow's becomes.
    """
    for node in network.graph.node:
        settings = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Resize" and settings["mode"].s == b"nearest":
            settings["coordinate_transformation_mode"].s = b"asymmetric"
            settings["nearest_mode"].s = b"floor"


def _describe(model: keras.Model, network: "onnx.ModelProto") -> None:
    """Writes into the file what its network sees, so that whoever calls it needs no more."""
    import onnx

    head, view = model.layers[-1], asdict(view_of(model))
    del view["height"], view["width"]  # the input's own
    own = {"view": view, "unit": head.unit, "dataset": head.dataset}
    own |= {"members": members} if (members := count_members(model)) else {}
    onnx.helper.set_model_props(network, {METADATA: json.dumps(own)})


def _store_weights(network: "onnx.ModelProto", kind: str) -> None:
    """Stores large weights as steps of 16 or 8 bits, with the size of a step for each filter.

    A float16 would round each weight to 2**-11 of it, which batch norms, folded into the weights,
    make up to .4 % of the depth; 16 bits of the filter's largest weight are eight times as fine.
    ONNX Runtime multiplies them out once, when it opens the file.
    """
    import onnx

    dtype = np.dtype(kind)
    stored, starts = [], []
    for tensor in network.graph.initializer:
        values, name = onnx.numpy_helper.to_array(tensor), tensor.name
        if values.dtype != np.float32 or values.size < LEAST_WEIGHTS:
            stored.append(tensor)
            continue
        largest = np.abs(values).reshape(len(values), -1).max(axis=1)
        step = np.where(largest > 0, largest, 1) / np.iinfo(dtype).max
        sizes = step.astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
        parts = {"steps": np.rint(values / sizes).astype(dtype), "sizes": sizes}
        stored += [
            onnx.numpy_helper.from_array(part, f"{name}_{kept}") for kept, part in parts.items()
        ]
        make, float32 = onnx.helper.make_node, onnx.TensorProto.FLOAT
        starts.append(make("Cast", [f"{name}_steps"], [f"{name}_floats"], to=float32))
        starts.append(make("Mul", [f"{name}_floats", f"{name}_sizes"], [name]))
    nodes = [*starts, *network.graph.node]
    for field, items in ((network.graph.initializer, stored), (network.graph.node, nodes)):
        del field[:]
        field.extend(items)


def _check_agreement(model: keras.Model, path: Path, largest: float) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, model.input_shape[1:], np.uint8)
    depth = model.predict_on_batch(photo[np.newaxis])[0, ..., 0]
    difference = np.abs(OnnxPredictor(path).run(photo) / depth - 1).max()
    if not difference < largest:
        raise ValueError(
            f"A network must give the same depth in ONNX, to {largest:g} of it. "
            f"Received: a difference of {difference:.1e} for {model.name}. Use other layers in "
            "place of those that have no exact counterpart there."
        )
