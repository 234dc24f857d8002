"""Encoder-decoder networks: `build_encoder_decoder`, and the original project's `build_resnet34`.

Ronneberger et al.'s U-Net (arXiv 1505.04597) on an encoder. With ResNet34 the graph and the layers'
names are those of segmentation_models 1.0.1 (Yakubovskiy, 2018-2020), so that its weights fit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from depthlib.networks.encoders import ENCODERS, STRIDE, find_encoder_weights, load_encoder_weights
from depthlib.networks.layers import (
    BATCH_NORM_MOMENTUM,
    BatchNormalization,
    Prepare,
    add_depth_head,
    check_size,
    fuse_batch_norm,
)

DECODER_FILTERS = (256, 128, 64, 32, 16)


def build_resnet34(
    height: int,
    width: int,
    *,
    weights: Path | str | None = None,
    name: str = "resnet34",
    **head: Any,
) -> keras.Model:
    """The U-Net with ResNet34 encoder, 24,456,154 parameters; see `build_encoder_decoder`."""
    return build_encoder_decoder(height, width, "resnet34", weights=weights, name=name, **head)


def build_encoder_decoder(
    height: int,
    width: int,
    encoder: str,
    *,
    weights: Path | str | None = None,
    filters: Sequence[int] = DECODER_FILTERS,
    separable: bool = False,
    prepare: Prepare | None = None,
    name: str | None = None,
    **head: Any,
) -> keras.Model:
    """A U-Net on an encoder of ENCODERS: uint8 RGB (batch, height, width, 3) to depth.

    `height` and `width` are multiples of 32. `weights`: None for random ones, "imagenet" to
    download the encoder's, or the path of such a file or its folder. `filters`, `separable`: see
    `decode`; with four filters it ends at half size, and depth is enlarged. `prepare` takes the
    photos to what the encoder sees (None: as they are). `head`: `min_depth`, `max_depth`, `scale`,
    `unit`, `dataset` as `DepthHead` takes them.
    Errors: ValueError on an unknown encoder, a size or a weights file that does not fit,
    FileNotFoundError where the weights cannot be had.
    """
    if encoder not in ENCODERS:
        raise ValueError(
            f"`encoder` must be one of {', '.join(ENCODERS)}. Received: encoder={encoder!r}."
        )
    check_size(height, width, STRIDE)
    images = keras.Input((height, width, 3), dtype="uint8", name="data")
    x = prepare(images) if prepare else images
    features = decode(ENCODERS[encoder].encode(x), filters, separable)
    depth = add_depth_head(features, enlarge=height // features.shape[1], **head)
    model = fuse_batch_norm(keras.Model(images, depth, name=name or encoder))
    if weights is not None:
        load_encoder_weights(model, encoder, find_encoder_weights(encoder, weights))
    return model


def decode(
    features: Sequence[keras.KerasTensor],
    filters: Sequence[int] = DECODER_FILTERS,
    separable: bool = False,
) -> keras.KerasTensor:
    """Features of `filters[-1]` channels from an encoder's, which are ordered by stride.

    At full size after five steps, at half size after four. Each step doubles the size, joins the
    features of that size (none at full size) and convolves twice; `separable` splits each
    convolution into a depthwise and a pointwise one (MobileNet, arXiv 1704.04861), about an eighth
    of the arithmetic.
    """
    x, skips = features[-1], [*features[-2::-1], None]
    for stage, (skip, channels) in enumerate(zip(skips, filters, strict=False)):
        name = f"decoder_stage{stage}"
        x = layers.UpSampling2D(name=f"{name}_upsampling")(x)
        if skip is not None:
            x = layers.Concatenate(name=f"{name}_concat")([x, skip])
        for part in "ab":
            x = _conv(x, channels, f"{name}{part}", separable)
    return x


def _conv(x: keras.KerasTensor, channels: int, name: str, separable: bool) -> keras.KerasTensor:
    """3x3 convolution, batch norm, ReLU."""
    kind = layers.SeparableConv2D if separable else layers.Conv2D
    start = "pointwise_initializer" if separable else "kernel_initializer"
    x = kind(
        channels, 3, padding="same", use_bias=False, name=f"{name}_conv", **{start: "he_uniform"}
    )(x)
    x = BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
