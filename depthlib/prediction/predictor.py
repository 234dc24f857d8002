"""From a saved network and photos of any size to depth maps of the photos' size."""

from collections.abc import Callable, Sequence

import cv2
import keras
import numpy as np

from depthlib.data.images import check_rgb, resize_rgb
from depthlib.data.specs import SPECS

# Registers what saved networks are made of.
from depthlib.networks import keras_metrics, layers, losses  # noqa: F401

FAR = 0.8  # of a network's range: where it ends, all that is further is pressed together


class Predictor:
    """Calls a depth network on photos of any size.

    `unit` is "metre" or "relative", `dataset` the dataset that the network was trained on.
    Depth of `far` and more is sky, or too far to say how far.
    `preprocess` makes a photo of each photo, such as those of `relight`. It comes after resizing:
    that costs the less, and its tiles and borders are of the size that the network sees.
    `focal` is the photos' horizontal focal length over their width. A network sees a photo at its
    own width, so a thing as large in the picture through a lens twice as long is twice as far:
    depth is scaled by `focal` over that of the training data. None: as trained.
    A photo that is taller than those of a road's network is not squeezed into their shape but
    mirrored at its sides: it keeps the rows that tell depth, and is seen smaller, so that what is
    too far to say how far begins nearer.
    Errors: ValueError for a focal length that is none, or where training's is not known.
    """

    def __init__(
        self,
        model: keras.Model,
        batch_size: int = 8,
        preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
        focal: float | None = None,
    ):
        self.model = model
        self.batch_size = batch_size
        self.preprocess = preprocess
        self.height, self.width = model.input_shape[1:3]
        head = model.layers[-1]
        self.unit, self.dataset = head.unit, head.dataset
        trained = SPECS.get(self.dataset)
        self._aspect = trained.aspect if trained else None
        self._scale = np.float32(_scale_for(focal, self.dataset))
        self.max_depth = head.max_depth * float(self._scale)
        self.far = FAR * self.max_depth

    def __call__(
        self, photos: Sequence[np.ndarray], flip_average: bool = False
    ) -> list[np.ndarray]:
        """Depth float32 (height, width) of each uint8 RGB photo (height, width, 3), at its size.

        `flip_average` predicts the mirrored photo too and takes the mean. Errors: ValueError for
        an array that is no such photo, from a caller or from `preprocess`.
        """
        for photo in photos:
            check_rgb(photo)
        columns = [self._choose_columns(photo) for photo in photos]
        resized = [self._fit(photo, part) for photo, part in zip(photos, columns, strict=True)]
        if self.preprocess:
            resized = [self.preprocess(photo) for photo in resized]
            for photo in resized:
                check_rgb(photo)
        batch = np.stack(resized)
        depths = self._predict(batch)
        if flip_average:
            depths = (depths + self._predict(batch[:, :, ::-1])[:, :, ::-1]) / 2
        return [
            self._rescale(depth, part, photo)
            for depth, part, photo in zip(depths, columns, photos, strict=True)
        ]

    def _choose_columns(self, photo: np.ndarray) -> slice:
        """The network's columns that the photo fills."""
        height, width = photo.shape[:2]
        if self._aspect and width / height < 0.95 * self._aspect:
            filled = max(1, round(self.width * width / height / self._aspect))
            left = (self.width - filled) // 2
            return slice(left, left + filled)
        return slice(0, self.width)

    def _fit(self, photo: np.ndarray, columns: slice) -> np.ndarray:
        rgb = resize_rgb(photo, self.height, columns.stop - columns.start)
        sides = (columns.start, self.width - columns.stop)
        return cv2.copyMakeBorder(rgb, 0, 0, *sides, cv2.BORDER_REFLECT_101)

    def _rescale(self, depth: np.ndarray, columns: slice, photo: np.ndarray) -> np.ndarray:
        """Depth at the photo's size; a photo that is seen smaller is nearer, but for its sky."""
        depth, share = self._scale * depth[:, columns], (columns.stop - columns.start) / self.width
        depth = np.where(depth < self.far, np.float32(share) * depth, depth)
        return cv2.resize(depth, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    def _predict(self, batch: np.ndarray) -> np.ndarray:
        # `predict` would open a data pipeline each time, which takes longer than the network.
        starts = range(0, len(batch), self.batch_size)
        parts = [self.model.predict_on_batch(batch[i : i + self.batch_size]) for i in starts]
        return np.concatenate(parts)[..., 0]


def _scale_for(focal: float | None, dataset: str) -> float:
    """What depth is multiplied by for photos of this focal length."""
    if focal is None:
        return 1.0
    trained = SPECS[dataset].focal if dataset in SPECS else None
    if trained is None or not focal > 0:
        raise ValueError(
            "`focal` must be above 0, and the network's training data of a known focal length. "
            f"Received: focal={focal} for a network trained on {dataset!r}. Use focal=None."
        )
    return focal / trained
