"""Metrics that Keras shows during training; the same numbers as `depthlib.metrics`."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from depthlib.networks.layers import Tensor
from depthlib.networks.losses import IMAGE_AXES, check_shapes, mean_over_valid

# Truth and prediction, positive, and 1 where they count, to a number an image, (batch,).
Formula = Callable[[Tensor, Tensor, Tensor], Tensor]


def _share_within(ratio: float) -> Formula:
    """The share of pixels whose depth is within a factor of `ratio` of the truth."""

    def share(g: Tensor, p: Tensor, valid: Tensor) -> Tensor:
        near = ops.maximum(g / p, p / g) < ratio
        return mean_over_valid(ops.cast(near, "float32"), valid)

    return share


def _abs_rel(g: Tensor, p: Tensor, valid: Tensor) -> Tensor:
    """The mean of |g - p| / g."""
    return mean_over_valid(ops.abs(g - p) / g, valid)


def _rmse(g: Tensor, p: Tensor, valid: Tensor) -> Tensor:
    """The root of the mean of (g - p)²."""
    return ops.sqrt(mean_over_valid(ops.square(g - p), valid))


def _log10(g: Tensor, p: Tensor, valid: Tensor) -> Tensor:
    """The mean of |log10 g - log10 p|."""
    return mean_over_valid(ops.abs(ops.log(p / g)), valid) / math.log(10)


def _silog(g: Tensor, p: Tensor, valid: Tensor) -> Tensor:
    """100 times the standard deviation of ln p - ln g."""
    error = ops.log(p / g)
    mean = ops.reshape(mean_over_valid(error, valid), (-1, 1, 1, 1))
    return 100.0 * ops.sqrt(mean_over_valid(ops.square(error - mean), valid))


FORMULAS: dict[str, Formula] = {
    "delta1": _share_within(1.25),
    "delta2": _share_within(1.25**2),
    "delta3": _share_within(1.25**3),
    "abs_rel": _abs_rel,
    "rmse": _rmse,
    "log10": _log10,
    "silog": _silog,
}


@keras.saving.register_keras_serializable("depthlib")
class DepthMetric(keras.metrics.Mean):
    """Mean over images of one of `FORMULAS`, each image over its valid pixels.

    As in `metrics.depth_metrics`, a pixel is valid where `min_depth < truth < max_depth`, and the
    prediction is clipped to that range. An image without valid pixels is not counted.

    `truth_unit` is the depth of 1 in the truth, as for the losses.
    kind: "delta1", "delta2", "delta3", "abs_rel", "rmse", "log10" or "silog"; also the name.
    Of these only "silog" says something on depth known up to a scale, as nothing is aligned here.
    """

    def __init__(
        self,
        kind: str = "delta1",
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        truth_unit: float = 1.0,
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        if kind not in FORMULAS:
            raise ValueError(f"`kind` must be one of {list(FORMULAS)}. Received: kind={kind!r}.")
        super().__init__(name=name or kind, dtype=dtype)
        self.kind = kind
        self.min_depth = min_depth
        self.max_depth = max_depth
        self.truth_unit = truth_unit

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        y_true, y_pred = ops.convert_to_tensor(y_true, "float32"), ops.cast(y_pred, "float32")
        check_shapes(y_true, y_pred)
        y_true = y_true[..., :1] * self.truth_unit
        inside = ops.logical_and(y_true > self.min_depth, y_true < self.max_depth)
        truth = ops.where(inside, y_true, 1.0)
        prediction = ops.clip(ops.where(inside, y_pred, 1.0), self.min_depth, self.max_depth)
        values = FORMULAS[self.kind](truth, prediction, ops.cast(inside, "float32"))
        weight = ops.cast(ops.any(inside, axis=IMAGE_AXES), "float32")
        if sample_weight is not None:
            weight *= ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        super().update_state(values, weight)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kind": self.kind,
            "min_depth": self.min_depth,
            "max_depth": self.max_depth,
            "truth_unit": self.truth_unit,
        }
