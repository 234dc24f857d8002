"""A network in a .keras file, called on photos: the interface of `DepthPredictor` with Keras."""

import hashlib
from collections.abc import Callable

import keras
import numpy as np

from depthlib.networks.ensemble import count_members, take_member
from depthlib.prediction.geometry import View
from depthlib.prediction.interface import DepthPredictor


class Predictor(DepthPredictor):
    """Calls a network, as `load_model` gives it, on photos of any shape and lens.

    `batch_size`, `preprocess`, `focal` and errors are those of `DepthPredictor`.
    """

    def __init__(
        self,
        model: keras.Model,
        batch_size: int = 8,
        preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
        focal: float | None = None,
    ) -> None:
        head = model.layers[-1]
        super().__init__(view_of(model), head.unit, head.dataset, batch_size, preprocess, focal)
        self.model = model
        numbers = range(1, 1 + count_members(model))
        settings = batch_size, preprocess, focal
        self.members = [Predictor(take_member(model, number), *settings) for number in numbers]

    def digest(self) -> str:
        """The first digits of its weights' SHA-256."""
        digest = hashlib.sha256()
        for weights in self.model.get_weights():
            digest.update(np.ascontiguousarray(weights).data)
        return digest.hexdigest()[:12]

    def predict_batch(self, batch: np.ndarray) -> np.ndarray:
        """The network's own depth float32 (batch, height, width) of uint8 RGB inputs."""
        # `predict` would open a data pipeline each time, which takes longer than the network.
        return self.model.predict_on_batch(batch)[..., 0]


def view_of(model: keras.Model) -> View:
    """What a network sees, as its file says: the size of its input, and its head's view.

    Errors: ValueError where its head says something else, and those of `View`.
    """
    head = model.layers[-1]
    height, width = model.input_shape[1:3]
    try:
        return View(height, width, head.max_depth, **(head.view or {}))
    except TypeError as error:
        raise ValueError(
            "The view of a network must be its `focal`, `aspect` and `horizon`. Received: "
            f"{head.view!r}. Train it again, or copy the file again."
        ) from error
