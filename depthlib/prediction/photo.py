"""The depth of one photo with all that its files and pictures need."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from depthlib.data.images import read_rgb
from depthlib.data.intrinsics import Intrinsics
from depthlib.data.lenses import FocalRequest, find_lens
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.writers import DepthResult


def predict_photo(
    predictor: DepthPredictor, path: Path | str, request: FocalRequest
) -> DepthResult:
    """The depth of the photo `path`, at its size, as `command.predict_files` writes it.

    request: its focal length, as `lenses.parse_focal` gives it. The camera is a pinhole whose axis
    goes through the photo's middle.
    Errors: those of `find_lens` and `read_rgb`; ValueError for a focal length where training's is
    not known.
    """
    focal, photo = find_lens(path, request).focal, read_rgb(path)
    height, width = photo.shape[:2]
    layout = predictor.lay_out(height, width, focal)
    (depth,) = predictor([photo], focals=[focal])
    pixels = (layout.focal or 1.0) * width
    return DepthResult(
        photo,
        depth,
        far=layout.far or np.inf,
        intrinsics=Intrinsics(pixels, pixels, (width - 1) / 2, (height - 1) / 2, width, height),
        max_depth=predictor.view.max_depth,
        unit=predictor.unit,
        sky=depth >= layout.far if layout.far else None,
        source=path,
    )


def predict_photos(
    predictor: DepthPredictor, paths: Sequence[Path | str], request: FocalRequest
) -> Iterator[DepthResult]:
    """What `predict_photo` gives for each of the photos, one at a time as they are asked for."""
    return (predict_photo(predictor, path, request) for path in paths)
