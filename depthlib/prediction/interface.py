"""What every depth network is to its caller: photos of any shape and lens in, depth maps out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.images import check_rgb, resize_rgb
from depthlib.files import name_in_note
from depthlib.prediction.geometry import Layout, View, check_focal, join, lay_out, split

FARTHEST = 1e3  # of the nearest depth of a map: where a disparity of 0, which is infinity, is put
SPREAD = 0.1  # of ln depth: where looks differ by so much, confidence is exp(-1)


def find_confidence(log_depths: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """How far depth is to be trusted: from 0, a guess, to 1, where all looks at a photo agree.

    log_depths: ln depth (height, width) of each look, such as the mirrored photo's turned back.
    """
    return np.exp(-np.std(log_depths, axis=0) / SPREAD)


class DepthPredictor(ABC):
    """Calls a depth network on photos of any shape; `geometry` decides how each meets its view.

    view: what the network sees. unit: "metre" or "relative". dataset: what it was trained on.
    batch_size: how many inputs the network takes at once.
    preprocess: makes a photo of each of the network's inputs, such as those of
    `experiments.relight`; None: as they are.
    focal: the photos' horizontal focal length over their width; None, unknown: see
    `geometry.lay_out`.
    Errors: ValueError for a batch size that is none, for a focal length that is none, or where
    training's is not known.
    """

    path: Path | None = None  # the file that it was opened from, if it was from one
    hidden: int = 0  # of how many networks it is the mean that cannot be asked one by one

    def __init__(
        self,
        view: View,
        unit: str,
        dataset: str,
        batch_size: int = 8,
        preprocess: Callable[[np.ndarray], np.ndarray] | None = None,
        focal: float | None = None,
    ) -> None:
        is_whole = isinstance(batch_size, Integral) and not isinstance(batch_size, bool)
        if not (is_whole and batch_size >= 1):
            raise ValueError(
                "`batch_size` must be a whole number, 1 or more. Received: "
                f"batch_size={batch_size!r}. Use 8."
            )
        check_focal(focal, view)
        self.view = view
        self.unit = unit
        self.dataset = dataset
        self.batch_size = batch_size
        self.preprocess = preprocess
        self.focal = focal
        self.height, self.width = view.height, view.width
        usual = lay_out(view.height, max(1, round(view.height * view.shape)), view, focal)
        grown = 1.0 if focal is None else max(usual.factor, usual.sky_factor)
        self.max_depth = view.max_depth * grown
        # Networks whose mean this one is: how far they disagree tells how sure it is.
        self.members: Sequence[DepthPredictor] = ()
        # Depth of `far` and more is sky, or too far to say how far; None: rooms have no sky.
        self.far = usual.far

    def describe(self, word: str) -> str:
        """How a note calls it whom a user calls `word`: by what tells it from any other network.

        That is its file's name where it has one (its content is noted too), else its weights'
        digest; and what it was given beside them.
        """
        has_file = self.path is not None or Path(word.partition(",")[0]).is_file()
        words = [name_in_note(word), "" if has_file else self.digest()]
        if self.focal is not None:
            words.append(f"focal={self.focal:g}")
        if self.preprocess is not None:
            words.append(f"preprocess={getattr(self.preprocess, '__qualname__', self.preprocess)}")
        return " ".join(filter(None, words))

    def digest(self) -> str:
        """What tells its weights from others', "" where nothing does."""
        return ""

    @abstractmethod
    def predict_batch(self, batch: np.ndarray) -> np.ndarray:
        """The network's own depth float32 (batch, height, width) of uint8 RGB inputs."""

    def find_view(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns that are seen of a photo of this size; depth beside is a guess."""
        return slice(0, height), slice(0, width)

    def lay_out(self, height: int, width: int, focal: float | None = None) -> Layout:
        """How a photo of this size is shown to the network; `focal`: None for the predictor's."""
        return lay_out(height, width, self.view, self.focal if focal is None else focal)

    def __call__(
        self,
        photos: Sequence[np.ndarray],
        flip_average: bool = False,
        focals: Sequence[float | None] | None = None,
    ) -> list[np.ndarray]:
        """Depth float32 (height, width) of each uint8 RGB photo (height, width, 3), at its size.

        `flip_average` predicts the mirrored photo too and takes the mean. `focals`: a focal length
        a photo; None, for one or for all: the predictor's. Errors: ValueError for an array that is
        no such photo, from a caller or from `preprocess`, for a focal length that is none, and for
        focal lengths that are no list, or another number than photos.
        """
        for photo in photos:
            check_rgb(photo)
        if focals is None:
            focals = [None] * len(photos)
        is_list = isinstance(focals, Sequence) or getattr(focals, "ndim", 0)
        if not is_list or isinstance(focals, str):
            raise ValueError(
                "`focals` must be a list, with one a photo. Received: "
                f"focals={focals!r}. Use [{focals!r}] for one photo, or the predictor's `focal`."
            )
        if len(focals) != len(photos):
            raise ValueError(
                f"`focals` must have one a photo. Received: {len(focals)} for {len(photos)} "
                "photos. Use None where one is unknown, or in place of all."
            )
        if not len(photos):
            return []
        layouts = [
            self.lay_out(photo.shape[0], photo.shape[1], focal)
            for photo, focal in zip(photos, focals, strict=True)
        ]
        canvases = [split(photo, layout) for photo, layout in zip(photos, layouts, strict=True)]
        depths = self.predict_canvases(np.concatenate(canvases), flip_average)
        ends = np.cumsum([layout.canvases for layout in layouts])[:-1]
        return [
            join(parts, layout)
            for parts, layout in zip(np.split(depths, ends), layouts, strict=True)
        ]

    def predict_canvases(self, canvases: np.ndarray, flip_average: bool = False) -> np.ndarray:
        """The network's own depth float32 (n, height, width) of what `geometry.split` gives."""
        if self.preprocess is not None:
            canvases = np.stack([self.preprocess(canvas) for canvas in canvases])
            for canvas in canvases:
                check_rgb(canvas)
        depths = self._predict_in_batches(canvases)
        if flip_average:
            mirrored = self._predict_in_batches(canvases[:, :, ::-1])
            depths = (depths + mirrored[:, :, ::-1]) / 2
        return depths

    def predict_squeezed(
        self, photos: Sequence[np.ndarray], flip_average: bool = False
    ) -> list[np.ndarray]:
        """Depth of photos by a network that knows nothing of shapes and lenses, at their sizes.

        The part of each photo that it sees, `find_view`, is squeezed into its input. What lies
        beside that has the depth of the nearest pixel in it. Flips are averaged in disparity where
        the network gives that. Errors: ValueError for an array that is no photo.
        """
        for photo in photos:
            check_rgb(photo)
        return [self._predict_squeezed(photo, flip_average) for photo in photos]

    def _predict_squeezed(self, photo: np.ndarray, flip_average: bool) -> np.ndarray:
        height, width = photo.shape[:2]
        rows, columns = self.find_view(height, width)
        seen = photo[rows, columns]
        shown = resize_rgb(seen, self.height, self.width)
        (depth,) = self.predict_batch(shown[None])
        if flip_average:
            (mirrored,) = self.predict_batch(np.ascontiguousarray(shown[None, :, ::-1]))
            depth = (depth + mirrored[:, ::-1]) / 2
        depth = cv2.resize(depth, seen.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        if self.unit == "disparity":
            nearest = max(depth.max(), np.finfo(np.float32).tiny * FARTHEST)
            depth = 1 / np.maximum(depth, nearest / FARTHEST)
        outside = (rows.start, height - rows.stop), (columns.start, width - columns.stop)
        return np.pad(depth, outside, mode="edge")

    def _predict_in_batches(self, canvases: np.ndarray) -> np.ndarray:
        size = self.batch_size
        parts = [canvases[start : start + size] for start in range(0, len(canvases), size)]
        return np.concatenate([self.predict_batch(part) for part in parts])
