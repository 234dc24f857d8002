"""How any network's file is opened, and those that ship by their names."""

from importlib.util import find_spec
from pathlib import Path

from depthlib.networks.shipped import SHIPPED, find_file
from depthlib.prediction.interface import DepthPredictor

RUNTIMES = ("onnx", "keras")


def find_network(model: Path | str, runtime: str | None = None) -> Path:
    """The file of a network: `model` is the name of one that ships, or a path.

    runtime: "onnx", "keras", or None for ONNX where there is such a file, as it opens in a moment.
    Errors: those of `find_file`; ValueError for another runtime, or one that does not run this
    file.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise ValueError(
            f"`runtime` must be one of {', '.join(RUNTIMES)}. Received: runtime={runtime!r}."
        )
    path = find_file(model, runtime)
    if str(model) in SHIPPED:
        return path
    kind = path.suffix.lower().removeprefix(".")
    if kind not in RUNTIMES:
        raise ValueError(f"A network must be a .keras or .onnx file. Received: {path}.")
    if runtime not in (None, kind):
        raise ValueError(
            f"The runtime {runtime} must have a .{runtime} file. Received: {path}. "
            + ("`depthlib export` makes one." if runtime == "onnx" else "Give the .keras file.")
        )
    return path


def open_network(
    model: Path | str, runtime: str | None = None, batch_size: int = 8
) -> DepthPredictor:
    """The network that `find_network` finds, ready to be called.

    Errors: those of `find_network`, `load_model` and `OnnxPredictor`; ValueError for an ONNX file
    that does not say its view and range; ModuleNotFoundError where a .keras file needs TensorFlow
    and Keras, and they are not installed.
    """
    path = find_network(model, runtime)
    if path.suffix.lower() == ".onnx":
        from depthlib.prediction.onnx import OnnxPredictor

        network = OnnxPredictor(path, batch_size=batch_size)
        if not network.is_ours:
            raise ValueError(
                "A network must say what it sees, as the files of `depthlib export` do. Received: "
                f"{path}, which does not. Write its depth with its own tool, and score that with "
                "`depthlib evaluate --depth`."
            )
        return network
    if find_spec("keras") is None:
        raise ModuleNotFoundError(
            f"{path} needs Keras and TensorFlow, which are not installed. Install the extra "
            "`train` (pip install -e .[train]), or use a network in ONNX: light, road."
        )
    from depthlib.networks.saving import load_model
    from depthlib.prediction.predictor import Predictor

    predictor = Predictor(load_model(path), batch_size=batch_size)
    predictor.path = path
    return predictor
