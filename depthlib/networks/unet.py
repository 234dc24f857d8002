"""The U-Net trained from scratch: the default, and the original project's network to the layer."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from depthlib.networks.layers import (
    BATCH_NORM_MOMENTUM,
    BatchNormalization,
    Prepare,
    add_depth_head,
    check_size,
)

STRIDE = 16
ENCODER_CHANNELS = (32, 64, 128, 256, 256)  # of the default, at strides 2, 4, 8, 16, 32
DECODER_CHANNELS = (128, 64, 32, 24)  # at strides 16, 8, 4, 2
ORIGINAL_CHANNELS = (
    32,
    64,
    128,
    256,
)  # of the original project's encoder and decoder, at strides 1, 2, 4, 8


def build_unet(
    height: int,
    width: int,
    *,
    variant: str = "default",
    prepare: Prepare | None = None,
    name: str = "unet",
    **head: Any,
) -> keras.Model:
    """A U-Net trained from scratch: uint8 RGB (batch, height, width, 3) to depth.

    `height` and `width` are multiples of 16. `variant`: "default"; "seed" for the network of
    kyovchev/tensorflow-depth-estimation, 8,638,433 parameters; or a name in VARIANTS, which are
    the alternatives that experiments/unet_structure.ipynb and image_size.ipynb compare. `prepare`
    takes the photos to what the network sees (None: as they are); see `prepare_photos`. `head`:
    `min_depth`, `max_depth`, `scale`, `unit`, `dataset` as `DepthHead` takes them; the depth's
    range and unit.
    Errors: ValueError on an unknown variant or a size that the strides do not divide.
    """
    if variant not in VARIANTS:
        raise ValueError(
            f"`variant` must be one of {', '.join(VARIANTS)}. Received: variant={variant!r}."
        )
    check_size(height, width, STRIDE)
    images = keras.Input((height, width, 3), dtype="uint8", name="data")
    x = prepare(images) if prepare else images
    features = VARIANTS[variant](layers.Rescaling(1 / 255, name="to_unit_range")(x))
    return keras.Model(images, add_depth_head(features, **head), name=name)


def unet_features(
    x: keras.KerasTensor,
    encoder: Sequence[int] = ENCODER_CHANNELS,
    decoder: Sequence[int] = DECODER_CHANNELS,
    full_size: int = 0,
) -> keras.KerasTensor:
    """Features (batch, height, width, channels), at a sixth of the original project's arithmetic.

    The original project spends most of its arithmetic near full size, where little is to be
    decided. Here full size holds no convolution but the head's, unless `full_size` gives it
    channels; residual blocks at strides 4 to 32 see the whole room.
    """
    x = _conv(x, encoder[0], "stem_a", strides=2)
    x = _conv(x, encoder[0], "stem_b")
    skips = []
    for level, channels in enumerate(encoder[1:], start=2):
        skips.append(x)
        x = layers.MaxPooling2D(padding="same", name=f"down{level}_pool")(x)
        for block in "ab":
            x = _residual_block(x, channels, f"down{level}{block}")
    for level, channels in zip(range(len(decoder), 0, -1), decoder, strict=True):
        x = _join(x, skips.pop(), f"up{level}")
        for part in "ab":
            x = _conv(x, channels, f"up{level}{part}")
    x = layers.UpSampling2D(interpolation="bilinear", name="up0")(x)
    return _conv(x, full_size, "up0") if full_size else x


def _residual_block(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """Two convolutions beside a shortcut; starts as the shortcut alone, its last scale at zero."""
    shortcut = x
    if x.shape[-1] != channels:
        shortcut = _conv(x, channels, f"{name}_shortcut", kernel=1, activate=False)
    x = _conv(x, channels, f"{name}_1")
    x = _conv(x, channels, f"{name}_2", activate=False, scale="zeros")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def _join(x: keras.KerasTensor, skip: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """`x` at twice its size beside `skip`, whose odd size, once halved, was rounded up."""
    x = layers.UpSampling2D(name=f"{name}_upsampling")(x)
    surplus = [(0, x.shape[axis] - skip.shape[axis]) for axis in (1, 2)]
    x = layers.Cropping2D(surplus, name=f"{name}_crop")(x)
    return layers.Concatenate(name=f"{name}_join")([x, skip])


def _conv(
    x: keras.KerasTensor,
    channels: int,
    name: str,
    kernel: int = 3,
    strides: int = 1,
    activate: bool = True,
    scale: str = "ones",
) -> keras.KerasTensor:
    """Convolution, batch norm, ReLU."""
    x = layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, gamma_initializer=scale, name=f"{name}_bn"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x


def _original_features(
    x: keras.KerasTensor, encoder: Sequence[int] = ORIGINAL_CHANNELS, norm: bool = False
) -> keras.KerasTensor:
    """The original project's layers: activation before batch norm, none of it in the bottleneck.

    Nor is there any after the first convolution of a decoder's level.
    """
    skips = []
    for level, channels in enumerate(encoder, start=1):
        for part in "AB":
            x = _original_conv(x, channels, f"down{level}_conv{part}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"down{level}_pool")(x)
    for part in "AB":
        x = _original_conv(x, 2 * encoder[-1], f"bottleneck_conv{part}", norm)
    for level, channels in enumerate(reversed(encoder), start=1):
        x = layers.UpSampling2D(interpolation="bilinear", name=f"up{level}")(x)
        x = _original_conv(x, channels, f"up{level}_convA", norm)
        x = layers.Concatenate(name=f"up{level}_join")([x, skips.pop()])
        for part in "BC":
            x = _original_conv(x, channels, f"up{level}_conv{part}")
    return x


def _original_conv(
    x: keras.KerasTensor, channels: int, name: str, norm: bool = True
) -> keras.KerasTensor:
    """3x3 convolution, leaky ReLU and, with `norm`, batch norm."""
    x = layers.Conv2D(channels, 3, padding="same", name=name)(x)
    x = layers.LeakyReLU(0.2, name=f"{name}_relu")(x)
    return BatchNormalization(name=f"{name}_bn")(x) if norm else x


VARIANTS: dict[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "default": unet_features,
    "narrow": partial(unet_features, encoder=(16, 32, 64, 128, 128), decoder=(64, 32, 16, 12)),
    "shallow": partial(unet_features, encoder=(32, 64, 128, 256), decoder=(64, 32, 24)),
    "full_size": partial(unet_features, full_size=16),
    "seed": _original_features,
    "seed_norm": partial(_original_features, norm=True),
    "seed_shallow": partial(_original_features, encoder=ORIGINAL_CHANNELS[:3]),
}
