"""The two ends of a network: what its photos pass first, the depth head, the size that it takes."""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

# What a layer, loss or metric gets: a tensor of whichever backend, or a symbolic one.
Tensor: TypeAlias = Any
# What takes the photos of a network to what it sees.
Prepare: TypeAlias = Callable[[keras.KerasTensor], keras.KerasTensor]

DEPTH_SCALES = ("linear", "log", "bins")
BINS = 64  # of the scale "bins"; AdaBins found little beyond as many, where they do not adapt
UNITS = ("metre", "relative")


@keras.saving.register_keras_serializable("depthlib")
class DepthHead(keras.layers.Layer):
    """Depth from logits of any shape; carries range, unit and dataset in the saved file.

    scale "linear": `max_depth * sigmoid(logit)`, the original project's head in metres.
    scale "log": sigmoid between the logarithms of `min_depth` and `max_depth`, so that a step of
    the logit is the same share of the depth near and far.
    scale "bins": BINS logits a pixel weigh the centres of as many bins, evenly spaced in log depth
    (the fixed bins of AdaBins, arXiv 2011.14141, and its soft assignment, equation 3).
    `enlarge` resizes depth (batch, height, width, 1) bilinearly by this whole number.
    `view` says of the photos that the network learned from, as far as it is known, their horizontal
    focal length over their width ("focal"), their width over their height ("aspect") and a road's
    horizon, its row over the height ("horizon"). None: a file of a time when none was saved.
    Always float32, under mixed precision too: bfloat16 would put steps of 0.4 % into the depth.
    Errors: ValueError on an unknown scale or unit, or a range that is none.
    """

    def __init__(
        self,
        min_depth: float,
        max_depth: float,
        scale: str = "log",
        unit: str = "metre",
        dataset: str = "",
        enlarge: int = 1,
        view: dict[str, float | None] | None = None,
        name: str = "depth",
        dtype: str | keras.DTypePolicy = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        for argument, value, allowed in (("scale", scale, DEPTH_SCALES), ("unit", unit, UNITS)):
            if value not in allowed:
                raise ValueError(
                    f"`{argument}` must be one of {allowed}. Received: {argument}={value!r}."
                )
        if not 0 < min_depth < max_depth < math.inf:
            raise ValueError(
                "`min_depth` must be above 0 and below `max_depth`. Received: "
                f"min_depth={min_depth}, max_depth={max_depth}. Use 0.1 to 10, say."
            )
        self.min_depth = float(min_depth)
        self.max_depth = float(max_depth)
        self.scale = scale
        self.unit = unit
        self.dataset = dataset
        self.enlarge = enlarge
        self.view = view
        self.range = math.log(self.max_depth / self.min_depth)

    def call(self, logits: Tensor) -> Tensor:
        depth = self._to_depth(logits)
        if self.enlarge == 1:
            return depth
        height, width = (size * self.enlarge for size in logits.shape[1:3])
        return ops.image.resize(depth, (height, width), "bilinear")

    def _to_depth(self, logits: Tensor) -> Tensor:
        """Depth from logits before it is enlarged, (batch, height, width, 1)."""
        if self.scale == "bins":
            shares = (np.arange(BINS, dtype="float32") + 0.5) / BINS
            centres = self.min_depth * np.exp(shares * self.range)
            # A softmax's mean as two sums: ONNX Runtime takes ten times as long for the softmax.
            weights = ops.exp(logits - ops.max(logits, axis=-1, keepdims=True))
            sums = ops.matmul(weights, np.stack([centres, np.ones_like(centres)], axis=-1))
            return sums[..., :1] / sums[..., 1:]
        share = ops.sigmoid(logits)
        if self.scale == "linear":
            return self.max_depth * share
        return self.min_depth * ops.exp(share * self.range)

    def logit(self, depth: float) -> float:
        """The logit that gives `depth`; where a network's last bias puts its first predictions.

        0 for bins, whose mean is a fifth of the range when all weigh the same.
        """
        if self.scale == "bins":
            return 0.0
        if self.scale == "linear":
            share = depth / self.max_depth
        else:
            share = math.log(depth / self.min_depth) / self.range
        return math.log(share / (1 - share))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.enlarge == 1 and self.scale != "bins":
            return input_shape
        batch, height, width, _ = input_shape
        return batch, height * self.enlarge, width * self.enlarge, 1

    def get_config(self) -> dict[str, Any]:
        own = ("min_depth", "max_depth", "scale", "unit", "dataset", "enlarge", "view")
        return {**super().get_config(), **{key: getattr(self, key) for key in own}}


@keras.saving.register_keras_serializable("depthlib")
class StretchRange(keras.layers.Layer):
    """Photos (batch, height, width, 3) stretched until the least value is 0 and the largest 255.

    Each by its own range over all channels, as the original project does; a flat photo becomes 0.
    Float32.
    """

    def __init__(
        self, name: str = "stretch_range", dtype: str | keras.DTypePolicy = "float32", **kwargs: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)

    def call(self, images: Tensor) -> Tensor:
        images = ops.cast(images, "float32")
        least = ops.min(images, axis=(1, 2, 3), keepdims=True)
        reach = ops.max(images, axis=(1, 2, 3), keepdims=True) - least
        return (images - least) * (255.0 / ops.maximum(reach, 1.0))

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(images.shape, "float32")


@keras.saving.register_keras_serializable("depthlib")
class SwapChannels(keras.layers.Layer):
    """RGB to BGR: what a network saw that was fed from OpenCV unchanged."""

    def __init__(self, name: str = "swap_channels", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, images: Tensor) -> Tensor:
        return ops.flip(images, axis=-1)


def prepare_photos(
    images: keras.KerasTensor, channels: str = "rgb", normalise: bool = False
) -> keras.KerasTensor:
    """`images` as the original project's networks take them: "bgr", or stretched each."""
    if channels == "bgr":
        images = SwapChannels()(images)
    return StretchRange()(images) if normalise else images


def add_depth_head(features: keras.KerasTensor, **head: Any) -> keras.KerasTensor:
    """Depth (batch, height, width, 1) from features (batch, height, width, channels).

    A 3x3 convolution in float32 and the `DepthHead` that `head` describes. Its kernel starts at
    zero, so that the first predictions are a quarter of the range, whatever the features: rooms
    are 2.5 m deep in the median, of NYU's 10 m.
    """
    depth = DepthHead(**head)
    channels = BINS if depth.scale == "bins" else 1
    start = depth.min_depth + 0.25 * (depth.max_depth - depth.min_depth)
    logits = keras.layers.Conv2D(
        channels,
        3,
        padding="same",
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(depth.logit(start)),
        dtype="float32",
        name="final_conv",
    )(features)
    return depth(logits)


def as_float32(model: keras.Model) -> keras.Model:
    """The same network with the same weights, computing in float32 throughout.

    What was trained in mixed precision so gives its full precision on any machine, and its speed
    on one without the hardware for bfloat16.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = {**layer.get_config(), "dtype": "float32"}
        return layer.__class__.from_config(config)

    network = keras.models.clone_model(model, clone_function=clone)
    network.set_weights(model.get_weights())
    return network


def check_size(height: int, width: int, stride: int) -> None:
    """Accepts a size that a network's total stride divides; else ValueError with the nearest."""
    for name, value in (("height", height), ("width", width)):
        if value < stride or value % stride:
            below = value // stride * stride
            sizes = f"{below} or {below + stride}" if below > 0 else stride
            raise ValueError(
                f"`{name}` must be a multiple of {stride}. Received: {name}={value}. Use {sizes}."
            )


# A tenth of each batch, not Keras' hundredth: the averages follow within tens of steps, and so
# a short run's predictions do not fall behind what it has learned.
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("depthlib")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch norm, trained on TensorFlow by its fused kernel, on JAX by fewer sums.

    Keras writes it out as sums, differences and products that each read and write the whole map,
    in float32 even where the network computes in bfloat16; docs/performance.md has what that
    costs, docs/several_devices.md what it costs several devices, which wait for each sum. Weights,
    arguments and outputs are those of `keras.layers.BatchNormalization`; on TensorFlow the moving
    variance is the unbiased one, n / (n - 1) of Keras', as in Keras 2.
    """

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        normalise = {"tensorflow": self._normalise_fused, "jax": self._normalise_together}
        backend = keras.backend.backend()
        if not (training and self.trainable) or backend not in normalise:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = normalise[backend](inputs)
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return outputs

    def _normalise_fused(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        import tensorflow as tf

        channels = (inputs.shape[-1],)
        fused: tuple[Tensor, Tensor, Tensor] = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            ops.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels),
            ops.convert_to_tensor(self.beta) if self.center else tf.zeros(channels),
            epsilon=self.epsilon,
        )
        return fused

    def _normalise_together(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums within each photo first, so that only one sum forward and one backward is over all.

        Several devices wait for each other at each sum over all; Keras has two and two, of six
        arrays. The squares are of distances from the moving mean, so that little cancels in their
        difference.
        """
        shift = ops.stop_gradient(ops.convert_to_tensor(self.moving_mean))
        shifted = ops.cast(inputs, "float32") - shift
        of_photos = [ops.mean(values, axis=(1, 2)) for values in (shifted, ops.square(shifted))]
        mean, square = ops.unstack(ops.mean(ops.stack(of_photos, axis=1), axis=0))
        variance = ops.maximum(square - ops.square(mean), 0.0)
        slope = ops.rsqrt(variance + self.epsilon) * (self.gamma if self.scale else 1.0)
        offset = (self.beta if self.center else 0.0) - mean * slope
        line = ops.stack([slope, offset])
        # An own copy for each photo, whose gradients are sums within that photo.
        lines = ops.broadcast_to(line, (ops.shape(inputs)[0], *line.shape))
        outputs = shifted * lines[:, 0, None, None] + lines[:, 1, None, None]
        return ops.cast(outputs, self.compute_dtype), shift + mean, variance


def fuse_batch_norm(model: keras.Model) -> keras.Model:
    """The same network with this file's batch norm for Keras', its averages following faster.

    Networks of keras.applications come with Keras' and a momentum for long runs.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if type(layer) is not keras.layers.BatchNormalization:
            return layer.__class__.from_config(layer.get_config())
        config = {**layer.get_config(), "momentum": BATCH_NORM_MOMENTUM}
        return BatchNormalization.from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def refresh_averages(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Sets the averages of `model`'s batch norms to their means over `batches` of its input.

    What the network predicts is then what it has learned, however short the run and whatever the
    momentum: "precise batch norm" of Wu & Johnson (2021), with the weights as they are. Layers of
    networks inside the network stay as they are.
    """
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for seen, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = seen / (seen + 1)
        model(batch, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
