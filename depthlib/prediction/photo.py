"""The depth of one photo with all that its files and pictures need."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from depthlib.data.images import read_rgb
from depthlib.data.intrinsics import Intrinsics
from depthlib.data.lenses import FocalRequest, find_lens
from depthlib.prediction.geometry import Layout
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.writers import DepthResult


def guess_camera(layout: Layout) -> Intrinsics:
    """A pinhole camera of the layout's focal length whose axis goes through the photo's middle."""
    focal = (layout.focal or 1.0) * layout.width
    middle = (layout.width - 1) / 2, (layout.height - 1) / 2
    return Intrinsics(focal, focal, *middle, width=layout.width, height=layout.height)


def make_result(
    predictor: DepthPredictor,
    photo: np.ndarray,
    depth: np.ndarray,
    layout: Layout,
    source: Path | str,
    camera: Intrinsics | None = None,
) -> DepthResult:
    """What is known of a photo whose depth is predicted.

    photo: uint8 RGB (height, width, 3). depth: float32 (height, width), as `geometry.join` gives
    it. source: the photo's file. camera: None for `guess_camera`'s. The network's own range, not
    the photo's, decides the encoding: so all files of a folder have one, whatever their lenses are.
    """
    return DepthResult(
        photo,
        depth,
        far=layout.far or np.inf,
        intrinsics=camera or guess_camera(layout),
        max_depth=predictor.view.max_depth,
        unit=predictor.unit,
        sky=depth >= layout.far if layout.far else None,
        source=source,
    )


def predict_photo(
    predictor: DepthPredictor, path: Path | str, request: FocalRequest
) -> DepthResult:
    """The depth of the photo `path`, at its size, as `commands.predict` writes it.

    request: its focal length, as `lenses.parse_focal` gives it.
    Errors: those of `find_lens` and `read_rgb`; ValueError for a focal length where training's is
    not known.
    """
    photo, focal = read_rgb(path), find_lens(path, request).focal
    layout = predictor.lay_out(photo.shape[0], photo.shape[1], focal)
    (depth,) = predictor([photo], focals=[focal])
    return make_result(predictor, photo, depth, layout, path)


def predict_photos(
    predictor: DepthPredictor, paths: Sequence[Path | str], request: FocalRequest
) -> Iterator[DepthResult]:
    """What `predict_photo` gives for each of the photos, one at a time as they are asked for."""
    return (predict_photo(predictor, path, request) for path in paths)
