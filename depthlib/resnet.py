"""The U-Net with a ResNet encoder: `build_resnet34`, and the encoder and decoder it is made of.

The graph and the layers' names are those of segmentation_models 1.0.1 and classification_models
(Yakubovskiy, 2018-2020), so that their weights fit: He et al.'s "Identity Mappings in Deep
Residual Networks" (arXiv 1603.05027) as encoder, Ronneberger et al.'s U-Net (arXiv 1505.04597).
"""

import os
from pathlib import Path

import h5py
import keras
from keras import layers

from depthlib.batch_norm import BatchNormalization
from depthlib.layers import BATCH_NORM_MOMENTUM, add_depth_head, check_size

STRIDE = 32
RESNET34_BLOCKS = (3, 4, 6, 3)
DECODER_FILTERS = (256, 128, 64, 32, 16)

RESNET34_WEIGHTS = "resnet34_imagenet_1000_no_top.h5"
RESNET34_URL = (
    "https://github.com/qubvel/classification_models/releases/download/0.0.1/" + RESNET34_WEIGHTS
)
RESNET34_MD5 = "8caaa0ad39d927cb8ba5385bf945d582"


def build_resnet34(height, width, *, weights=None, name="resnet34", **head):
    """The U-Net with ResNet34 encoder: uint8 RGB (batch, height, width, 3) to depth.

    24,456,154 parameters. `height` and `width` are multiples of 32. `weights`: None for random
    ones, "imagenet" to download the encoder's, or the path of such a file. `head`: `min_depth`,
    `max_depth`, `scale`, `unit`, `dataset` as `DepthHead` takes them; the depth's range and unit.
    Errors: ValueError on a size or a weights file that does not fit, FileNotFoundError where the
    weights cannot be had.
    """
    check_size(height, width, STRIDE)
    images = keras.Input((height, width, 3), dtype="uint8", name="data")
    features = encode_resnet(images, RESNET34_BLOCKS)
    model = keras.Model(images, add_depth_head(decode(features), **head), name=name)
    if weights is not None:
        path = download_resnet34_weights() if weights == "imagenet" else Path(weights)
        load_encoder_weights(model, path)
    return model


def encode_resnet(images, blocks):
    """Features of raw 0..255 RGB at strides 2, 4, 8, 16, 32; `blocks` counts each stage's blocks.

    Channels are 64, 64, 128, 256, 512.
    """
    x = layers.Rescaling(1.0, name="to_float")(images)
    x = _batch_norm(x, "bn_data", scale=False)
    x = layers.ZeroPadding2D(3, name="padding0")(x)
    x = _conv(x, 64, "conv0", kernel=7, strides=2, padding="valid")
    x = layers.ReLU(name="relu0")(_batch_norm(x, "bn0"))
    features = [x]
    x = layers.ZeroPadding2D(1, name="padding1")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pooling0")(x)
    for stage, count in enumerate(blocks, start=1):
        x, activated = _add_stage(x, stage, count)
        if stage > 1:  # what enters a stage, activated, is the skip of the resolution above
            features.append(activated)
    features.append(layers.ReLU(name="relu1")(_batch_norm(x, "bn1")))
    return features


def decode(features, filters=DECODER_FILTERS):
    """Features at full size, of `filters[-1]` channels, from an encoder's, ordered by stride.

    Each step doubles the size, joins the features of that size (none at full size) and convolves
    twice. Any encoder whose last stride is 2 ** len(filters) fits.
    """
    x, skips = features[-1], [*features[-2::-1], None]
    for stage, (skip, channels) in enumerate(zip(skips, filters, strict=True)):
        name = f"decoder_stage{stage}"
        x = layers.UpSampling2D(name=f"{name}_upsampling")(x)
        if skip is not None:
            x = layers.Concatenate(name=f"{name}_concat")([x, skip])
        for part in "ab":
            x = _conv(x, channels, f"{name}{part}_conv")
            x = BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}{part}_bn")(x)
            x = layers.ReLU(name=f"{name}{part}_relu")(x)
    return x


def load_encoder_weights(model, path):
    """Loads a ResNet encoder's weights, a Keras 2 .h5 file, into the layers of the same names.

    Errors: FileNotFoundError; ValueError where the file is no such file or lacks a layer.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"`weights` must be None, 'imagenet' or the path of a .h5 file. Received: {path}, "
            "which is not there."
        )
    if not h5py.is_hdf5(path):
        raise ValueError(f"`weights` must be a Keras .h5 file. Received: {path}, which is none.")
    with h5py.File(path) as file:
        saved = set(file.get("model_weights", file))
    wanted = {
        layer.name
        for layer in model.layers
        if layer.weights and not layer.name.startswith(("decoder_", "final_"))
    }
    if missing := sorted(wanted - saved):
        raise ValueError(
            f"`weights` must hold every layer of the encoder. Received: {path}, which lacks "
            f"{', '.join(missing[:3])} ({len(missing)} of {len(wanted)}). Use {RESNET34_WEIGHTS}."
        )
    model.load_weights(path, by_name=True)


def download_resnet34_weights():
    """Path of the ImageNet encoder, downloaded once into Keras' cache, its MD5 checked.

    Errors: FileNotFoundError that says where to put the file by hand.
    """
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    folder = cache / "models"
    try:
        path = keras.utils.get_file(
            RESNET34_WEIGHTS,
            RESNET34_URL,
            cache_dir=str(cache),
            cache_subdir=folder.name,
            file_hash=RESNET34_MD5,
            hash_algorithm="md5",
        )
    except Exception as error:  # get_file raises a plain Exception where the network fails
        raise FileNotFoundError(
            f"{RESNET34_WEIGHTS} could not be downloaded ({error}). Put {RESNET34_URL} (MD5 "
            f"{RESNET34_MD5}) into {folder}, give its path as `weights`, or use weights=None."
        ) from error
    return Path(path)


def _add_stage(x, stage, count):
    """(features, the first block's activated input) after `count` pre-activation blocks."""
    channels = 32 * 2**stage
    for unit in range(1, count + 1):
        name = f"stage{stage}_unit{unit}_"
        strides = 2 if unit == 1 and stage > 1 else 1
        shortcut = x
        x = layers.ReLU(name=name + "relu1")(_batch_norm(x, name + "bn1"))
        if unit == 1:
            first = x
            shortcut = _conv(x, channels, name + "sc", kernel=1, strides=strides)
        if strides == 1:
            x = _conv(x, channels, name + "conv1")
        else:  # "same" would pad on the right and below alone
            x = layers.ZeroPadding2D(1, name=name + "padding")(x)
            x = _conv(x, channels, name + "conv1", strides=2, padding="valid")
        x = layers.ReLU(name=name + "relu2")(_batch_norm(x, name + "bn2"))
        x = _conv(x, channels, name + "conv2")
        x = layers.Add(name=name + "add")([x, shortcut])
    return x, first


def _conv(x, channels, name, kernel=3, strides=1, padding="same"):
    return layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_uniform",
        name=name,
    )(x)


def _batch_norm(x, name, scale=True):
    return BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=2e-5, scale=scale, name=name)(x)
