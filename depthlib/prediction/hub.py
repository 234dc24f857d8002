"""Depth networks of KerasHub, such as Depth Anything V2, called as our own are.

They need the package keras-hub: the extra `keras-hub`. A preset is downloaded at its first use;
its licence is its publisher's.
"""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor

PREFIX = "keras_hub:"  # how the word for such a network begins


class HubPredictor(DepthPredictor):
    """Calls a `keras_hub.models.DepthEstimator` on photos of any size, squeezed into its input.

    One whose `depth_estimation_type` is "metric" gives metres, one that is "relative" disparity up
    to a scale and a shift (Yang et al., arXiv 2406.09414).
    Errors: ValueError for a network that leaves its size free.
    """

    def __init__(self, estimator: Any) -> None:
        height, width = estimator.backbone.input_shape[1:3]
        if None in (height, width):
            raise ValueError(
                "A network of KerasHub must have a fixed size. Received: "
                f"{estimator.backbone.input_shape}. Load its preset with `image_shape`."
            )
        is_metric = estimator.depth_estimation_type == "metric"
        farthest = (estimator.max_depth if is_metric else None) or math.inf
        super().__init__(View(height, width, farthest), "metre" if is_metric else "disparity", "")
        self.estimator = estimator

    def __call__(
        self,
        photos: Sequence[np.ndarray],
        flip_average: bool = False,
        focals: Sequence[float | None] | None = None,
    ) -> list[np.ndarray]:
        """Depth float32 (height, width) of each uint8 RGB photo; of its lens it knows nothing."""
        return self.predict_squeezed(photos, flip_average)

    def predict_batch(self, batch: np.ndarray) -> np.ndarray:
        """The network's own map float32 (batch, height, width) of uint8 RGB inputs."""
        depths = self.estimator.predict_on_batch(batch)["depths"]  # which prepares the photos too
        return np.asarray(depths, np.float32).reshape(batch.shape[:3])


def open_hub(word: str) -> HubPredictor:
    """The network that "keras_hub:PRESET" means: a name of KerasHub's, or a folder that holds one.

    Errors: ModuleNotFoundError without keras-hub; ValueError where there is no such preset.
    """
    if find_spec("keras_hub") is None:
        raise ModuleNotFoundError(
            f"{word} needs KerasHub, which is not installed. Use pip install -e .[keras-hub]."
        )
    import keras_hub

    preset = word.removeprefix(PREFIX)
    try:
        return HubPredictor(keras_hub.models.DepthEstimator.from_preset(preset))
    except Exception as error:  # its loaders raise whatever the hub, the disk or the file makes
        raise ValueError(
            "A network of KerasHub must be a preset of a DepthEstimator. Received: "
            f"{preset}: {str(error).strip().partition(chr(10))[0]}"
        ) from error
