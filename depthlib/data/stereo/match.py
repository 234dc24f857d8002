"""Disparity of rectified photos by semi-global matching, how sure it is, and metres."""

import cv2
import numpy as np

SURE = 0.8  # confidence from which on depth is written: see docs/stereo.md
_BLOCK = 3  # pixels
_SMOOTH = 8 * _BLOCK**2, 64 * _BLOCK**2  # cost of a step of one pixel, and of more, in disparity
_CLIP = 15  # of the filtered brightness
_BOTH_WAYS = 1.0  # pixels: how well left to right and right to left must agree
_SPECKLE = 1e-3  # of the photo's pixels: a smaller region that fits nothing around it is wrong
_REACH, _STEP = 4, 2  # pixels: the neighbours that confidence asks
_AGREES = 1.0, 0.15  # pixels, and of the disparity: how far a neighbour's may differ
_NOTHING = np.float32(-1e6)
_LEAST_DISPARITY = 2.0  # pixels: half a pixel of error is then a quarter of the depth
_SHARE = 1 / 8  # of the photo's width: the largest disparity, unless the nearest depth is given


def count_disparities(width: int, focal_baseline: float, near: float | None = None) -> int:
    """How many disparities, a multiple of 16, reach down to `near` metres.

    width: of the photo, pixels. focal_baseline: focal length in pixels times baseline in metres.
    near: None for the depth whose disparity is an eighth of the width. Errors: ValueError for a
    depth whose disparity is more than half of the width.
    """
    largest = width * _SHARE if near is None else focal_baseline / near if near > 0 else np.inf
    if largest > width / 2:
        raise ValueError(
            "`near` must be a depth that both cameras see, "
            f"{2 * focal_baseline / width:.2g} metres or more here. Received: near={near}."
        )
    return 16 * max(int(np.ceil(largest / 16)), 1)


def match(left: np.ndarray, right: np.ndarray, disparities: int) -> tuple[np.ndarray, np.ndarray]:
    """Disparity and its confidence, float32 (height, width) each, of a rectified pair.

    left, right: uint8 RGB (height, width, 3). disparities: see `count_disparities`. Disparity, in
    pixels, is how much further left a thing is in the right photo; 0 where matching the left photo
    to the right one and the right one to the left one give two answers, where the right photo does
    not show it, and in speckles. Confidence, 0 to 1, is the share of neighbours within 4 pixels
    that have about the same disparity: low at the edges of things, over which matching bleeds, and
    in regions full of holes.
    Source: Hirschmüller 2008, as OpenCV's StereoSGBM in its three-way mode has it.
    """
    first, second = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (left, right))
    forth = _match_one_way(first, second, disparities)
    back = _match_one_way(cv2.flip(second, 1), cv2.flip(first, 1), disparities)[:, ::-1]
    height, width = forth.shape
    column = np.arange(width) - np.rint(forth).astype(np.int32)
    there = np.take_along_axis(back, np.clip(column, 0, width - 1), axis=1)
    agrees = (forth > 0) & (column >= 0) & (np.abs(there - forth) <= _BOTH_WAYS)
    steps = np.where(agrees, 16 * forth, 0).astype(np.int16)  # OpenCV counts sixteenths
    cv2.filterSpeckles(steps, 0, round(_SPECKLE * steps.size), 16)
    disparity = steps.astype(np.float32) / 16
    return disparity, _find_support(disparity)


def to_depth(
    disparity: np.ndarray,
    confidence: np.ndarray,
    focal_baseline: float,
    far: float = 80.0,
    sure: float = SURE,
) -> np.ndarray:
    """Depth in metres, float32 (height, width), 0 where confidence is below `sure` or beyond `far`.

    Disparity below 2 pixels gives no depth: a fraction of a pixel would change it too much.
    """
    good = (confidence >= sure) & (disparity >= max(_LEAST_DISPARITY, focal_baseline / far))
    return np.where(good, focal_baseline / np.maximum(disparity, 1), 0).astype(np.float32)


def _match_one_way(left: np.ndarray, right: np.ndarray, disparities: int) -> np.ndarray:
    """Disparity of every pixel of the left photo, below 0 where there is none."""
    matcher = cv2.StereoSGBM.create(
        0, disparities, _BLOCK, *_SMOOTH, -1, _CLIP, 0, 0, 0, cv2.STEREO_SGBM_MODE_SGBM_3WAY
    )
    # OpenCV leaves the first columns out, as many as there are disparities: let them be a margin.
    wide = [
        cv2.copyMakeBorder(image, 0, 0, disparities, 0, cv2.BORDER_REPLICATE)
        for image in (left, right)
    ]
    return matcher.compute(*wide)[:, disparities:].astype(np.float32) / 16


def _find_support(disparity: np.ndarray) -> np.ndarray:
    """The share of each pixel's neighbours that have about its disparity; 0 where it has none."""
    height, width = disparity.shape
    # What has no disparity, in the photo or around it, is like nothing.
    wide = np.pad(np.where(disparity > 0, disparity, _NOTHING), _REACH, constant_values=_NOTHING)
    most = np.maximum(_AGREES[0], _AGREES[1] * disparity)
    count = np.zeros(disparity.shape, np.uint8)
    places = range(0, 2 * _REACH + 1, _STEP)
    for row in places:
        for column in places:
            other = wide[row : row + height, column : column + width]
            count += cv2.absdiff(other, disparity) <= most
    share = (count.astype(np.float32) - 1) / (len(places) ** 2 - 1)  # but for the pixel itself
    return np.where(disparity > 0, share, np.float32(0))
