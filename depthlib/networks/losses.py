"""Losses for depth maps `(batch, height, width, 1)`, masked where the truth is 0.

Each gives one number an image, so an image counts the same however many of its pixels were
measured; an image without any measured pixel gives 0 and no gradient. They compute in float32
under every precision policy. `truth_unit` is the depth of 1 in the truth: 1 for depth itself, a
`DepthGenerator`'s `metres_per_count` for its counts. A truth `(batch, height, width, 2)` says in
its second channel, 0 to 255, how far each pixel is to be trusted: its weight in every mean.
"""

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from depthlib.networks.layers import Tensor

SSIM_WINDOW = 11  # pixels; window, sigma, k1 and k2 of Wang et al. 2004, as in tf.image.ssim
SSIM_SIGMA = 1.5  # pixels
SSIM_C1 = 0.01**2  # (k1 * value range) ** 2 for values in 0..1
SSIM_C2 = 0.03**2
IMAGE_AXES = (1, 2, 3)


@keras.saving.register_keras_serializable("depthlib")
class DepthLoss(keras.losses.Loss):
    """SSIM, gradient and L1: the loss of DenseDepth (arXiv 1812.11941) and the original project.

    `ssim_weight * (1 - SSIM) / 2 + gradient_weight * gradient + l1_weight * L1`, on depth divided
    by `max_depth`, so that the terms keep their balance whatever the unit. On a map without holes
    SSIM is that of `tf.image.ssim` and the gradient term that of `tf.image.image_gradients`;
    see `masked_ssim` and `mean_gradient` for what holes do. It judges absolute depth: for depth
    known only up to a scale use `ScaleInvariantLoss`.
    """

    scale_invariant = False

    def __init__(
        self,
        ssim_weight: float = 1.0,
        gradient_weight: float = 3.0,
        l1_weight: float = 0.1,
        max_depth: float = 10.0,
        truth_unit: float = 1.0,
        name: str = "depth_loss",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if max_depth <= 0:
            raise ValueError(
                f"`max_depth` must be positive. Received: max_depth={max_depth}. "
                "Use the dataset's largest depth."
            )
        self.ssim_weight = ssim_weight
        self.gradient_weight = gradient_weight
        self.l1_weight = l1_weight
        self.max_depth = max_depth
        self.truth_unit = truth_unit

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_shapes(y_true, y_pred, smallest=SSIM_WINDOW if self.ssim_weight else 1)
        y_true, valid = split_truth(y_true)
        measured = y_true > 0
        truth = y_true * self.truth_unit / self.max_depth
        prediction = ops.where(measured, y_pred, 0.0) / self.max_depth
        error = prediction - truth
        loss = self.gradient_weight * mean_gradient(error, valid)
        loss += self.l1_weight * mean_over_valid(ops.abs(error), valid)
        if self.ssim_weight:
            loss += self.ssim_weight * (1.0 - masked_ssim(truth, prediction, valid)) / 2.0
        return loss

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "ssim_weight": self.ssim_weight,
            "gradient_weight": self.gradient_weight,
            "l1_weight": self.l1_weight,
            "max_depth": self.max_depth,
            "truth_unit": self.truth_unit,
        }


@keras.saving.register_keras_serializable("depthlib")
class NormalisedDepthLoss(DepthLoss):
    """`DepthLoss` on each truth stretched to 0..`max_depth` by its own range (original project).

    What learns from it knows depth up to a scale and a shift that differ from photo to photo.
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        depth = y_true[..., :1] * self.truth_unit
        measured = depth > 0
        farthest = ops.max(depth, axis=IMAGE_AXES, keepdims=True)
        nearest = ops.where(measured, depth, farthest)
        nearest = ops.min(nearest, axis=IMAGE_AXES, keepdims=True)
        share = (depth - nearest) / ops.maximum(farthest - nearest, 1e-6)
        share = ops.maximum(share, 1e-6)  # the nearest pixel is measured too: 0 would be a hole
        counts = share * (self.max_depth / self.truth_unit)
        stretched = ops.where(measured, counts, 0.0)
        return super().call(ops.concatenate([stretched, y_true[..., 1:]], axis=-1), y_pred)


@keras.saving.register_keras_serializable("depthlib")
class ScaleInvariantLoss(keras.losses.Loss):
    """Scale-invariant log loss with a multi-scale gradient term, both in log depth.

    With e = ln p - ln g it is `scale * sqrt(mean e² - variance_focus * (mean e)²)` (Eigen et al.
    2014; constants of BTS, arXiv 1907.10326) plus `gradient_weight` times the gradient of e
    summed over `gradient_scales` scales, each half the size of the one before (MiDaS, arXiv
    1907.01341). Predictions below `min_depth` count as `min_depth`.

    A truth that is negative is known only up to a scale: its image counts with a focus of 1.
    `variance_focus=1` makes it blind to the scale of the whole map (`scale_invariant` is then
    true), which is what depth known only up to a scale needs.
    """

    def __init__(
        self,
        variance_focus: float = 0.85,
        scale: float = 10.0,
        gradient_weight: float = 0.5,
        gradient_scales: int = 4,
        min_depth: float = 1e-3,
        truth_unit: float = 1.0,
        name: str = "scale_invariant_loss",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if not 0 <= variance_focus <= 1:
            raise ValueError(
                "`variance_focus` must lie in 0..1. "
                f"Received: variance_focus={variance_focus}. Use 0.85, or 1 for relative depth."
            )
        if min_depth <= 0:
            raise ValueError(
                f"`min_depth` must be positive. Received: min_depth={min_depth}. Use 1e-3."
            )
        self.variance_focus = variance_focus
        self.scale = scale
        self.gradient_weight = gradient_weight
        self.gradient_scales = gradient_scales
        self.min_depth = min_depth
        self.truth_unit = truth_unit

    @property
    def scale_invariant(self) -> bool:
        """Whether a prediction multiplied by any factor gives the same loss."""
        return self.variance_focus == 1

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_shapes(y_true, y_pred)
        y_true, valid = split_truth(y_true)
        relative = ops.any(y_true < 0, axis=IMAGE_AXES)
        y_true = ops.abs(y_true * self.truth_unit)
        measured = y_true > 0
        prediction = ops.maximum(ops.where(measured, y_pred, 1.0), self.min_depth)
        error = ops.log(prediction) - ops.log(ops.where(measured, y_true, 1.0))
        focus = ops.where(relative, 1.0, self.variance_focus)
        loss = self.scale * self._spread(error, valid, focus)
        for step in (2**k for k in range(self.gradient_scales)):
            coarse, coarse_valid = error[:, ::step, ::step], valid[:, ::step, ::step]
            loss += self.gradient_weight * mean_gradient(coarse, coarse_valid)
        return loss

    def _spread(self, error: Tensor, valid: Tensor, focus: Tensor) -> Tensor:
        """The root of mean e² - focus * (mean e)²: `(batch,)`, as `focus` is."""
        mean = mean_over_valid(error, valid)
        centred = error - ops.reshape(mean, (-1, 1, 1, 1))
        variance = mean_over_valid(ops.square(centred), valid)
        squared = variance + (1.0 - focus) * ops.square(mean)
        # A perfect map has squared = 0, where the slope of a bare root is infinite.
        return ops.sqrt(squared + 1e-12) - 1e-6

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "variance_focus": self.variance_focus,
            "scale": self.scale,
            "gradient_weight": self.gradient_weight,
            "gradient_scales": self.gradient_scales,
            "min_depth": self.min_depth,
            "truth_unit": self.truth_unit,
        }


@keras.saving.register_keras_serializable("depthlib")
class ConsistentLoss(keras.losses.Loss):
    """Another loss, plus `weight` times the mean |Δ ln p| between two views of one photo.

    Two views are images 2i and 2i+1 of a batch that have the very same truth, as a `DepthGenerator`
    with `paired_views` gives them: whatever differs between the photos is light or weather, and
    depth must not change. Where no neighbours share a truth, as in validation, only `loss` counts.
    """

    def __init__(
        self,
        loss: DepthLoss | ScaleInvariantLoss,
        weight: float = 5.0,
        name: str = "consistent_loss",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.loss = loss
        self.weight = weight

    @property
    def scale_invariant(self) -> bool:
        """Whether a prediction multiplied by any factor gives the same loss."""
        return self.loss.scale_invariant

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        loss = self.loss.call(y_true, y_pred)
        y_true = y_true[..., :1]
        even = ops.shape(y_true)[0] // 2 * 2  # the last batch may be odd
        truth, other_truth = y_true[0:even:2], y_true[1:even:2]
        measured = ops.logical_and(truth == other_truth, truth != 0)
        views = (ops.where(measured, y_pred[k:even:2], 1.0) for k in (0, 1))
        first, second = (ops.log(ops.maximum(view, 1e-3)) for view in views)
        change = mean_over_valid(ops.abs(first - second), ops.cast(measured, "float32"))
        same = ops.cast(ops.all(truth == other_truth, axis=IMAGE_AXES), "float32")
        mean = ops.sum(change * same) / ops.maximum(ops.sum(same), 1.0)
        return loss + self.weight * mean

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})


def split_truth(y_true: Tensor) -> tuple[Tensor, Tensor]:
    """The depth of a truth, and each pixel's weight: 0 where nothing was measured; a channel each.

    y_true: (batch, height, width, 1), or 2 with the confidence, from 0 to 255.
    """
    depth, confidence = y_true[..., :1], y_true[..., 1:]
    measured = ops.cast(depth != 0, "float32")
    return depth, measured * confidence / 255.0 if confidence.shape[-1] else measured


def mean_over_valid(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of `values` weighted by `valid`, from 0 to 1: `(batch,)`; 0 where no pixel counts."""
    total = ops.sum(values * valid, axis=IMAGE_AXES)
    return total / ops.maximum(ops.sum(valid, axis=IMAGE_AXES), 1.0)


def mean_gradient(error: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute horizontal plus vertical step of `error` between valid neighbours: `(batch,)`.

    The sum is divided by the number of valid pixels, as in MiDaS; the step of a difference is the
    difference of the steps, so this compares the gradients of prediction and truth.
    """
    across = ops.abs(error[:, :, 1:] - error[:, :, :-1]) * valid[:, :, 1:] * valid[:, :, :-1]
    down = ops.abs(error[:, 1:] - error[:, :-1]) * valid[:, 1:] * valid[:, :-1]
    total = ops.sum(across, axis=IMAGE_AXES) + ops.sum(down, axis=IMAGE_AXES)
    return total / ops.maximum(ops.sum(valid, axis=IMAGE_AXES), 1.0)


def masked_ssim(truth: Tensor, prediction: Tensor, valid: Tensor) -> Tensor:
    """Structural similarity of two maps with values in 0..1: `(batch,)`; 1 without valid pixels.

    The statistics of a window are those of its valid pixels, and a window counts in the mean by
    the Gaussian weight of its valid pixels: holes neither raise nor lower the result. Without
    holes it equals `keras.ops.image.ssim`, which returns no map to mask and is therefore not used.
    """
    # Taking the mean off first leaves less to cancel in the variances (matters under TF32).
    truth_mean = ops.reshape(mean_over_valid(truth, valid), (-1, 1, 1, 1))
    prediction_mean = ops.reshape(mean_over_valid(prediction, valid), (-1, 1, 1, 1))
    t, p = truth - truth_mean, prediction - prediction_mean
    maps = ops.concatenate([ops.ones_like(t), t, p, t * t, p * p, t * p], axis=-1) * valid
    weight, t, p, tt, pp, tp = ops.split(_blur(maps), 6, axis=-1)
    t, p, tt, pp, tp = (moment / ops.maximum(weight, 1e-6) for moment in (t, p, tt, pp, tp))

    variances, covariance = tt - t * t + pp - p * p, tp - t * p
    t, p = t + truth_mean, p + prediction_mean
    luminance = (2.0 * t * p + SSIM_C1) / (t * t + p * p + SSIM_C1)
    structure = (2.0 * covariance + SSIM_C2) / (variances + SSIM_C2)
    loss = ops.sum(weight * (1.0 - luminance * structure), axis=IMAGE_AXES)
    return 1.0 - loss / ops.maximum(ops.sum(weight, axis=IMAGE_AXES), 1e-6)


def _blur(maps: Tensor) -> Tensor:
    """Gaussian means of each channel over the windows that lie wholly inside the maps."""
    offsets = np.arange(SSIM_WINDOW) - (SSIM_WINDOW - 1) / 2
    kernel = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    kernel = np.tile(kernel / kernel.sum(), (maps.shape[-1], 1)).T.astype("float32")
    down, across = kernel[:, None, :, None], kernel[None, :, :, None]
    return ops.depthwise_conv(ops.depthwise_conv(maps, down), across)


def check_shapes(y_true: Tensor, y_pred: Tensor, smallest: int = 1) -> None:
    """Raise a `ValueError` unless both are `(batch, height, width, 1)`, alike and large enough.

    The truth may have a second channel, its confidence.
    """
    truth, prediction = tuple(y_true.shape), tuple(y_pred.shape)
    # A dimension is None while a graph is traced with a free size.
    sides = zip(truth[:-1], prediction[:-1], strict=False)
    differ = any(a != b for a, b in sides if None not in (a, b))
    channels = truth[-1] in (1, 2, None) and prediction[-1] in (1, None)
    if len(truth) != 4 or len(prediction) != 4 or differ or not channels:
        raise ValueError(
            "Truth and prediction must both have the shape (batch, height, width, 1). "
            f"Received: y_true.shape={truth}, y_pred.shape={prediction}. "
            "Resize the truth to the model's height and width and keep the last axis."
        )
    if any(size is not None and size < smallest for size in truth[1:3]):
        raise ValueError(
            f"Height and width must be at least {smallest}, the size of the SSIM window. "
            f"Received: height={truth[1]}, width={truth[2]}. Use larger maps or `ssim_weight=0`."
        )
