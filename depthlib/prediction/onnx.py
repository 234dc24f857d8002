"""Any depth network in an ONNX file, called as our own are: photos in, depth maps out."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from depthlib.files import name_errors
from depthlib.metrics import PROTOCOLS
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor

# What makes each output comparable with the truth (`metrics.align`); the usual one comes first.
USUAL_ALIGNMENTS = {
    "metre": ("none", "median", "disparity"),
    "relative": ("median", "disparity"),
    "disparity": ("disparity", "median"),
}


DTYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


METADATA = "depthlib"  # the key under which a file of ours says what its network sees
INSTALL = "pip install -e .[peers]"


_RULE = "A network must be an ONNX file that ONNX Runtime reads."


@dataclass(frozen=True)
class PeerSpec:
    """What an ONNX file does not say of itself.

    output: "metre", "relative" (depth up to a scale) or "disparity" (inverse depth up to a scale
    and perhaps a shift).
    size: (height, width) of the input, for a file that leaves it free.
    scaling, mean, deviation: the network sees (rgb * scaling - mean) / deviation, rgb in 0..255.
    One that takes uint8 sees rgb itself.
    view: the name of the protocol in `metrics.PROTOCOLS` whose crop of the photo it sees.
    Errors: ValueError for an unknown output or view.
    """

    output: str = "metre"
    size: tuple[int, int] | None = None
    scaling: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    view: str = "full"

    def __post_init__(self) -> None:
        for name, allowed in (("output", USUAL_ALIGNMENTS), ("view", PROTOCOLS)):
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(allowed)}. Received: {name}={value!r}."
                )

    @classmethod
    def parse(cls, text: str) -> "PeerSpec":
        """The spec of words such as "output=disparity,size=384x384,scaling=1,mean=0/0/0".

        Errors: ValueError for another form or field, and those of the class.
        """
        values: dict[str, Any] = {}
        for word in text.split(","):
            name, equals, value = (part.strip() for part in word.partition("="))
            try:
                if not equals:
                    raise ValueError
                values[name] = _SPEC_WORDS[name](value)
            except (KeyError, ValueError, OverflowError) as error:
                raise ValueError(
                    "What an ONNX file gives and sees must be said as output=metre|relative|"
                    "disparity, size=HEIGHTxWIDTH, scaling=NUMBER, mean=R/G/B, deviation=R/G/B or "
                    f"view=NAME, with commas between. Received: {word!r} in {text!r}."
                ) from error
        return cls(**values)


def _read_numbers(kind: Callable[[str], Any], mark: str, count: int) -> Callable[[str], tuple]:
    """Reads `count` numbers with `mark` between them. Errors: ValueError."""

    def read(text: str) -> tuple:
        numbers = tuple(kind(part) for part in text.split(mark))
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise ValueError
        return numbers

    return read


_SPEC_WORDS: dict[str, Callable[[str], Any]] = {
    "output": str,
    "view": str,
    "size": _read_numbers(int, "x", 2),
    "scaling": lambda text: _read_numbers(float, "/", 1)(text)[0],
    "mean": _read_numbers(float, "/", 3),
    "deviation": _read_numbers(float, "/", 3),
}


class OnnxPredictor(DepthPredictor):
    """Calls the network in an ONNX file on photos of any size; ONNX Runtime, on the CPU.

    A file that `export.export_onnx` wrote says itself what its network sees, and photos meet it as
    they meet `Predictor`, to the same metres. Of any other, `spec` says it: the photo, or the part
    of it that the spec's view names, is squeezed into the input. Its first input takes one RGB
    photo, NCHW or NHWC, its first output is one map, and `unit` is the spec's output.
    `threads`: None for one a core. `batch_size`, `preprocess` and `focal`: see `DepthPredictor`.
    Errors: ModuleNotFoundError without ONNX Runtime; FileNotFoundError; ValueError for a file that
    holds no such network, or one that `spec` does not fit, and for a focal length that is none.
    """

    path: Path

    def __init__(
        self,
        path: Path | str,
        spec: PeerSpec | None = None,
        threads: int | None = None,
        batch_size: int = 8,
        preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
        focal: float | None = None,
    ) -> None:
        self.path, self.spec = Path(path), spec or PeerSpec()
        with name_errors(self.path, _RULE):  # names that are no text too, once they are asked for
            self.session = _open(self.path, threads or os.cpu_count() or 1)
            entry = self.session.get_inputs()[0]
            self.entry, dtype = entry.name, DTYPES.get(entry.type)
            shape = [n if isinstance(n, int) else None for n in entry.shape]
            metadata = self.session.get_modelmeta().custom_metadata_map
        if not dtype or len(shape) != 4 or shape[0] not in (1, None) or 3 not in shape[1::2]:
            raise ValueError(
                "A depth network must take one photo, (1, 3, height, width) or (1, height, width, "
                f"3). Received: {entry.type} {entry.shape} in {self.path}. Export it again so."
            )
        self.dtype, self.channels_first = dtype, shape[1] == 3
        size = shape[2:] if self.channels_first else shape[1:3]
        height, width = _choose_size(size, self.spec.size, self.path)
        own = _read_metadata(metadata, self.path)
        self.is_ours = own is not None
        self.hidden = own["members"] if own else 0
        with name_errors(self.path, _RULE):
            view = View(height, width, **(own["view"] if own else {"max_depth": math.inf}))
        unit, dataset = (own["unit"], own["dataset"]) if own else (self.spec.output, "")
        if preprocess is not None and not self.is_ours:
            raise ValueError(
                "`preprocess` must be of a network of ours: another one's spec says how its input "
                f"is made. Received: preprocess for {self.path}. Prepare the photos before."
            )
        super().__init__(view, unit, dataset, batch_size, preprocess, focal)

    def __call__(
        self,
        photos: Sequence[np.ndarray],
        flip_average: bool = False,
        focals: Sequence[float | None] | None = None,
    ) -> list[np.ndarray]:
        """Depth float32 (height, width) of each uint8 RGB photo (height, width, 3), at its size.

        As `DepthPredictor` has it; of a file that is not ours, as its `predict_squeezed` has it.
        Errors: ValueError for an array that is no such photo.
        """
        if self.is_ours:
            return super().__call__(photos, flip_average, focals)
        if any(focal is not None for focal in focals or ()):
            raise ValueError(
                "`focals` must be of a network that knows a lens. Received: focals for "
                f"{self.path}, which says none. Leave them out."
            )
        return self.predict_squeezed(photos, flip_average)

    def find_view(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns that are seen of a photo of this size: its spec's view."""
        if self.is_ours:
            return super().find_view(height, width)
        return PROTOCOLS[self.spec.view].crop(height, width)

    def predict_batch(self, batch: np.ndarray) -> np.ndarray:
        """The network's own depth float32 (batch, height, width) of uint8 RGB inputs."""
        return np.stack([self.run(rgb) for rgb in batch])

    def run(self, rgb: np.ndarray) -> np.ndarray:
        """The network's own map, float32, for uint8 RGB of the input's size (height, width, 3).

        Errors: ValueError where its first output is not one map.
        """
        values = rgb
        if self.dtype != np.uint8:
            values = (rgb * self.spec.scaling - self.spec.mean) / self.spec.deviation
        batch = np.asarray(values, self.dtype)[np.newaxis]
        if self.channels_first:
            batch = batch.transpose(0, 3, 1, 2)
        with name_errors(self.path, _RULE, "Export it again."):
            output = self.session.run(None, {self.entry: batch})[0]
        if not isinstance(output, np.ndarray) or output.squeeze().ndim != 2:
            raise ValueError(
                "A depth network's first output must be one map, (1, height, width) or so. "
                f"Received: {getattr(output, 'shape', 'no array')} from {self.path}. Export it "
                "with its depth first."
            )
        return output.squeeze().astype(np.float32)

    def count_parameters(self) -> int:
        """How many floating-point values the file stores as weights."""
        import onnx

        weights = onnx.load(self.path, load_external_data=False).graph.initializer
        floating = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
        return sum(math.prod(weight.dims) for weight in weights if weight.data_type in floating)


def is_installed() -> bool:
    """True where ONNX Runtime is there."""
    return find_spec("onnxruntime") is not None


def _open(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "ONNX networks need ONNX Runtime, which is not installed. Use pip install -e ."
        ) from error
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no ONNX network {path}. Give the path of one, or make one of ours with "
            "`depthlib export`."
        )
    path.open("rb").close()  # where it cannot be read, Python says so in its own words
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait would take the cores from those that read and write photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; it warns of every unused weight
    # Its fallback would try the same again, and print a box of stars.
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(path, options, providers, enable_fallback=0)


def _read_metadata(metadata: Mapping[str, str], path: Path) -> dict | None:
    """What a file of ours says of its network; None for any other file."""
    if METADATA not in metadata:
        return None
    try:
        own = json.loads(metadata[METADATA])
        View(1, 1, **own["view"])
        unit, dataset = own["unit"], own["dataset"]
        if unit not in USUAL_ALIGNMENTS or not isinstance(dataset, str):
            raise ValueError("no such unit or dataset")
        members = own.get("members", 0)
        if not isinstance(members, int):
            raise ValueError("no such number of members")
        return {"view": own["view"], "unit": unit, "dataset": dataset, "members": members}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"The metadata {METADATA!r} of an ONNX file must be what depthlib writes. Received: "
            f"{metadata[METADATA]!r} in {path}. Export the network again."
        ) from error


def _choose_size(size: list[int | None], given: Sequence[int] | None, path: Path) -> list[int]:
    if given is None and None in size:
        raise ValueError(
            "`size` must be given for a network that leaves it free. Received: none for "
            f"{path}. Use PeerSpec(size=(384, 384)), say: the height and width it was trained at."
        )
    chosen = [int(n or 0) for n in given or size]
    if len(chosen) != 2 or any(n not in (None, m) for n, m in zip(size, chosen, strict=True)):
        raise ValueError(
            f"`size` must be the one that the file fixes. Received: size={chosen} for {path}, "
            f"which has {size}. Leave it out."
        )
    return chosen
