"""Metrics of the depth literature and the published protocols that fix how they are taken.

Everything here is NumPy on arrays (height, width) at ground-truth size; `evaluation` resizes the
predictions and averages over flips where the protocol says so. A truth of 0 means "not measured".
"""

from dataclasses import dataclass, replace
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import ArrayLike

METRICS = (
    "delta1", "delta2", "delta3", "abs_rel", "rmse", "log10", "silog", "sq_rel", "rmse_log",
)  # fmt: skip
METRE_METRICS = ("sq_rel", "rmse")  # change with the unit: meaningless on relative depth
ALIGNMENTS = ("none", "median", "disparity", "affine")


@dataclass(frozen=True)
class EvaluationProtocol:
    """What is compared, and how: crop, valid range, clipping, flip averaging.

    rows, columns: start and stop of the crop as fractions of the truth's height and width.
    min_depth, max_depth: the truth is valid strictly between these; metres.
    prediction_range: the prediction is clipped to this; metres.
    flip_average: predict the mirrored photo too, and average.
    """

    name: str
    rows: tuple[float, float] = (0.0, 1.0)
    columns: tuple[float, float] = (0.0, 1.0)
    min_depth: float = 0.0
    max_depth: float = inf
    prediction_range: tuple[float, float] = (1e-3, inf)
    flip_average: bool = False

    def crop(self, height: int, width: int) -> tuple[slice, slice]:
        """Row and column slices of a map of this size, cut to whole pixels as published."""
        # The small addend undoes rounding: 471 / 480 * 480 must not end up at 470.
        top, bottom = (int(fraction * height + 1e-9) for fraction in self.rows)
        left, right = (int(fraction * width + 1e-9) for fraction in self.columns)
        return slice(top, bottom), slice(left, right)


# Eigen's crop with the range of BTS, AdaBins, ZoeDepth and Depth Anything; BTS does not flip.
NYU_BTS = EvaluationProtocol(
    "nyu_bts", (45 / 480, 471 / 480), (41 / 640, 601 / 640), 1e-3, 10.0, (1e-3, 10.0)
)
NYU_DENSEDEPTH = EvaluationProtocol(
    "nyu_densedepth",
    (20 / 480, 460 / 480),
    (24 / 640, 616 / 640),
    prediction_range=(0.1, 10.0),
    flip_average=True,
)
# FastDepth resizes 480x640 to 250x333 and keeps the central 228x304 (from row 11, column 14).
# Only what part of the photo is seen matters here: the comparison itself is at full size.
NYU_FASTDEPTH = EvaluationProtocol("nyu_fastdepth", (11 / 250, 239 / 250), (14 / 333, 318 / 333))
# Garg et al. 2016; the range of Eigen et al. 2014.
KITTI_GARG = EvaluationProtocol(
    "kitti_garg",
    (0.40810811, 0.99189189),
    (0.03594771, 0.96405229),
    1e-3,
    80.0,
    (1e-3, 80.0),
)
# The same with the "post-processing" of Godard et al. 2017, which many report beside it.
KITTI_GARG_FLIPS = replace(KITTI_GARG, name="kitti_garg_flips", flip_average=True)
FULL = EvaluationProtocol("full")
_ALL = (NYU_BTS, NYU_DENSEDEPTH, NYU_FASTDEPTH, KITTI_GARG, KITTI_GARG_FLIPS, FULL)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}


def score(
    truth: np.ndarray,
    prediction: np.ndarray,
    protocol: EvaluationProtocol,
    alignment: str = "none",
    relative: bool = False,
    has_unknown: bool = False,
) -> dict[str, float]:
    """Metrics of one image by a protocol, and `pixels`, the number of pixels compared.

    truth, prediction: (height, width) at ground-truth size. alignment: see `align`.
    relative: the truth is known only up to a scale. Then every number left is free of units:
    the protocol's ranges in metres do not apply and the metrics of METRE_METRICS are left out.
    has_unknown: a prediction of 0 says that depth is unknown there. Such pixels are left out, and
    `known` is the share of valid pixels that are compared, as the density of stereo benchmarks
    (Menze and Geiger, "Object Scene Flow for Autonomous Vehicles", 2015).

    Raises ValueError where sizes differ, the crop holds no valid pixel, the prediction is not
    finite there or unknown in all of it, or relative depth is not aligned.
    """
    if relative and alignment == "none":
        raise ValueError(
            "Relative depth must be aligned before it is compared. "
            "Received: relative=True, alignment='none'. Use alignment='median'."
        )
    _check_sizes(truth, prediction)
    crop = protocol.crop(*truth.shape)
    lowest, highest = (0.0, inf) if relative else (protocol.min_depth, protocol.max_depth)
    g, p = _valid_pixels(truth[crop], prediction[crop], lowest, highest)
    shares = {}
    if has_unknown:
        shares["known"] = float(np.mean(p > 0))
        g, p = g[p > 0], p[p > 0]
        if not g.size:
            raise ValueError(
                "A prediction must be known in a pixel whose true depth is. Received: 0, unknown, "
                "in all of them. Leave the image out."
            )
    nearest, farthest = protocol.prediction_range
    if relative:
        nearest, farthest = 1e-3 * np.median(g), inf
    p = align(g, p, alignment, max_depth=farthest)
    metrics = _compare(g, p.clip(nearest, farthest))
    if relative:
        metrics = {name: value for name, value in metrics.items() if name not in METRE_METRICS}
    return metrics | {"pixels": g.size} | shares


def depth_metrics(
    truth: np.ndarray, prediction: np.ndarray, min_depth: float = 1e-3, max_depth: float = 10.0
) -> dict[str, float]:
    """All METRICS of one image over its pixels with min_depth < truth < max_depth.

    The prediction is clipped to that range. With ground truth g and prediction p, e = ln p - ln g:
    delta k is the share of max(g/p, p/g) < 1.25**k, abs_rel the mean of |g-p|/g, sq_rel of
    (g-p)²/g, log10 of |log10 g - log10 p|; rmse and rmse_log are roots of mean squares and
    silog = 100 sqrt(mean e² - (mean e)²) (Eigen et al. 2014).

    Raises ValueError where shapes differ, no pixel is valid, or the prediction is not finite.
    """
    _check_sizes(truth, prediction)
    g, p = _valid_pixels(truth, prediction, min_depth, max_depth)
    return _compare(g, p.clip(min_depth, max_depth))


def align(
    truth: np.ndarray, prediction: np.ndarray, how: str = "none", max_depth: float = inf
) -> np.ndarray:
    """The prediction (same shape) brought to the truth's scale over the pixels with truth > 0.

    how: "none"; "median": times median(truth) / median(prediction); "disparity": scale and shift
    of 1/prediction by least squares against 1/truth (MiDaS, arXiv 1907.01341), for networks that
    know disparity up to both. A shift can take a disparity to zero or below, so nothing is placed
    beyond `max_depth`, or beyond the largest true depth where `max_depth` is infinite. "affine":
    scale and shift of the prediction itself by least squares, for networks that know depth up to
    both; nothing is placed nearer than a thousandth of the median true depth.

    Raises ValueError for another `how` and where the prediction's median is not positive.
    """
    if how not in ALIGNMENTS:
        raise ValueError(f"`how` must be one of {ALIGNMENTS}. Received: how={how!r}.")
    if how == "none":
        return prediction
    valid = truth > 0
    median = np.median(prediction[valid])
    if not median > 0:
        raise ValueError(
            "A prediction must be positive to be aligned. "
            f"Received: a median of {median:.3g}. Check that it is depth and not its logarithm."
        )
    if how == "median":
        return prediction * (np.median(truth[valid]) / median)
    # The same floor as elsewhere: a thousandth of the typical depth is as good as touching.
    if how == "affine":
        scale, shift = _fit_line(prediction[valid], truth[valid])
        return np.maximum(scale * prediction + shift, 1e-3 * np.median(truth[valid]))
    disparity = 1.0 / np.maximum(prediction, 1e-3 * median)
    scale, shift = _fit_line(disparity[valid], 1.0 / truth[valid])
    farthest = max_depth if isfinite(max_depth) else truth.max()
    return 1.0 / np.maximum(scale * disparity + shift, 1.0 / farthest)


def pooled_rmse(rmse: ArrayLike, pixels: ArrayLike) -> float:
    """RMSE over the pixels of all images at once, as in DenseDepth's released code.

    rmse, pixels: (images,) the RMSE and number of pixels of each image. Images with many pixels
    and large errors weigh more than in the mean over images, so the two are not comparable.
    """
    return float(np.sqrt(np.average(np.square(rmse), weights=np.asarray(pixels))))


def bootstrap_interval(
    values: ArrayLike, groups: ArrayLike, seed: int, resamples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """(low, high) of the mean of `values` when whole groups are drawn again with replacement.

    values: (images,) a metric. groups: (images,) each image's scene: images of one scene are no
    independent evidence. From a single scene no spread can be known: (nan, nan).
    """
    values, (names, group) = np.asarray(values, float), np.unique(groups, return_inverse=True)
    if values.shape != group.shape or not np.isfinite(values).all():
        raise ValueError(
            "`values` must be finite numbers, one for each of `groups`. "
            f"Received: values.shape={values.shape}, groups.shape={group.shape}, "
            f"{np.count_nonzero(~np.isfinite(values))} not finite."
        )
    if len(names) < 2:
        return nan, nan
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    means = (drawn @ np.bincount(group, values)) / (drawn @ np.bincount(group))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _fit_line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Scale and shift of `x` by least squares against `y`."""
    return np.linalg.lstsq(np.stack([x, np.ones(len(x))], axis=1), y, rcond=None)[0]


def _check_sizes(truth: np.ndarray, prediction: np.ndarray) -> None:
    """Accepts two maps of one size, (height, width); else ValueError."""
    if truth.shape != prediction.shape or truth.ndim != 2:
        raise ValueError(
            "Truth and prediction must both have the shape (height, width). "
            f"Received: truth.shape={truth.shape}, prediction.shape={prediction.shape}. "
            "Resize the prediction to the truth's size and drop the batch and channel axes."
        )


def _valid_pixels(
    truth: np.ndarray, prediction: np.ndarray, min_depth: float, max_depth: float
) -> tuple[np.ndarray, np.ndarray]:
    """The valid pixels of both maps, as float64 vectors."""
    valid = (truth > min_depth) & (truth < max_depth)
    g, p = truth[valid].astype(np.float64), prediction[valid].astype(np.float64)
    if not g.size:
        raise ValueError(
            f"At least one pixel must have a true depth in ({min_depth:g}, {max_depth:g}). "
            f"Received: none of {truth.size}, depths {np.min(truth, initial=inf):.3g} to "
            f"{np.max(truth, initial=-inf):.3g}. Check the unit and crop, or leave the image out."
        )
    if not np.isfinite(p).all():
        raise ValueError(
            "A prediction must be finite. "
            f"Received: {np.count_nonzero(~np.isfinite(p))} of {p.size} valid pixels are NaN or "
            "infinite. Train with a lower learning rate or check the model's inputs."
        )
    return g, p


def _compare(g: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """METRICS by name of two vectors, (pixels,): truth `g` and prediction `p`, both positive."""
    ratio = np.maximum(g / p, p / g)
    error = np.log(p) - np.log(g)
    squared = np.square(g - p)
    metrics = {f"delta{k}": np.mean(ratio < 1.25**k) for k in (1, 2, 3)}
    metrics |= {
        "abs_rel": np.mean(np.abs(g - p) / g),
        "sq_rel": np.mean(squared / g),
        "rmse": np.sqrt(np.mean(squared)),
        "rmse_log": np.sqrt(np.mean(np.square(error))),
        "log10": np.mean(np.abs(error)) / np.log(10),
        "silog": 100 * np.std(error),
    }
    return {name: float(metrics[name]) for name in METRICS}
