"""Tiny ONNX depth networks, built by hand."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# A pixel's depth is 1 for its red, 2 for its green and 4 for its blue.
CHANNELS = np.array([1, 2, 4])


def write_onnx(path, shape=(1, 3, 4, 6), dtype="FLOAT", output=None, bias=0.0):
    """Writes a network that weighs red, green and blue by CHANNELS, adds `bias`; gives `path`.

    `shape` is the input's, NCHW or NHWC; names stand for free dimensions. `output`: the shape to
    which the map is brought, by default the input's with one channel.
    """
    axis = 1 if shape[1] == 3 else 3
    weights = CHANNELS.reshape([3 if n == axis else 1 for n in range(4)]).astype(np.float32)
    constants = {"weights": weights, "axis": np.array([axis]), "bias": np.float32(bias)}
    nodes = [
        helper.make_node("Cast", ["photo"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["values", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axis"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "bias"], ["map"]),
    ]
    if output:
        constants["output"] = np.array(output)
        nodes.append(helper.make_node("Reshape", ["map", "output"], ["shaped"]))
    name = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("photo", getattr(TensorProto, dtype), shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)
    return path


def write_own_onnx(path, unit="metre", max_depth=10.0):
    """The same as one of depthlib's own, which says what it sees: 32x48, of NYU's camera."""
    write_onnx(path, (1, 32, 48, 3), "UINT8", bias=1.0)
    network = onnx.load(path)
    view = {"max_depth": max_depth, "focal": 0.81, "aspect": 4 / 3, "horizon": None}
    own = {"view": view, "unit": unit, "dataset": f"nyu_{unit}"}
    helper.set_model_props(network, {"depthlib": json.dumps(own)})
    onnx.save(network, path)
    return path
