"""The encoders that features for depth are taken from, and where their weights are.

ResNet18 and 34 are the pre-activation ones of classification_models (Yakubovskiy, 2018-2020; He et
al., arXiv 1603.05027), layer for layer, ResNet50 and MobileNetV2 those of keras.applications.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

from depthlib.downloads import fetch
from depthlib.files import check_hdf5, name_errors
from depthlib.networks.layers import BATCH_NORM_MOMENTUM, BatchNormalization

MOST_BYTES, SECONDS = 500_000_000, 3600  # of an encoder's weights, and of their download
FRESH = ("decoder_", "final_")  # how the names of layers begin that no encoder's weights are for
STRIDE = 32  # of the deepest features; a photo's sides are multiples of it
# keras.applications.resnet.preprocess_input: the means of ImageNet's colours, here in RGB order.
IMAGENET_MEAN = (123.68, 116.779, 103.939)


@dataclass(frozen=True)
class Encoder:
    """`encode` takes uint8 RGB to features at strides 2, 4, 8, 16, 32; the rest is its weights.

    `file`, at `url`, holds those of ImageNet; `digest` is its MD5 or SHA-256. `application` is
    the keras.applications model whose file it is, None for classification_models, whose files hold
    our layers by name.
    """

    encode: Callable[[keras.KerasTensor], list[keras.KerasTensor]]
    file: str
    url: str
    digest: str
    application: Callable[..., keras.Model] | None = None


def encode_resnet(images: keras.KerasTensor, blocks: Sequence[int]) -> list[keras.KerasTensor]:
    """Features of raw 0..255 RGB; `blocks` counts each stage's. Channels: 64, 64, 128, 256, 512."""
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


def encode_resnet50(images: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Features of 64, 256, 512, 1024 and 2048 channels."""
    x = layers.Normalization(mean=IMAGENET_MEAN, variance=(1.0,) * 3, name="subtract_mean")(images)
    names = ["conv1_relu", *(f"conv{k}_block{n}_out" for k, n in zip("2345", "3463", strict=True))]
    return _take_features(keras.applications.ResNet50, x, names)


def encode_resnet50_c4(images: keras.KerasTensor) -> list[keras.KerasTensor]:
    """The features of ResNet50 but for the last: a third of its parameters (arXiv 1506.01497)."""
    return encode_resnet50(images)[:-1]


def encode_mobilenet_v2(images: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Features of 16, 24, 32, 96 and 320 channels: the narrow ends of the inverted residuals."""
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_symmetric_range")(images)
    names = ["expanded_conv_project_BN", "block_2_add", "block_5_add", "block_12_add"]
    return _take_features(
        keras.applications.MobileNetV2, x, [*names, "block_16_project_BN"], alpha=1.0
    )


def _take_features(
    application: Callable[..., keras.Model],
    x: keras.KerasTensor,
    names: Sequence[str],
    **options: Any,
) -> list[keras.KerasTensor]:
    """The outputs, by name, of layers of a keras.applications model that sees `x`."""
    network = application(input_tensor=x, include_top=False, weights=None, **options)
    return [network.get_layer(name).output for name in names]


def _add_stage(
    x: keras.KerasTensor, stage: int, count: int
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
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


def _conv(
    x: keras.KerasTensor,
    channels: int,
    name: str,
    kernel: int = 3,
    strides: int = 1,
    padding: str = "same",
) -> keras.KerasTensor:
    """A convolution without a bias: features (batch, height, width, `channels`)."""
    return layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_uniform",
        name=name,
    )(x)


def _batch_norm(x: keras.KerasTensor, name: str, scale: bool = True) -> keras.KerasTensor:
    """`x` normalised, with the epsilon of classification_models."""
    return BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=2e-5, scale=scale, name=name)(x)


_CLASSIFICATION_MODELS = "https://github.com/qubvel/classification_models/releases/download/0.0.1/"
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_RESNET50 = Encoder(
    encode_resnet50,
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    _KERAS + "resnet/",
    "4d473c1dd8becc155b73f8504c6f6626",
    keras.applications.ResNet50,
)
ENCODERS = {
    "resnet18": Encoder(
        lambda images: encode_resnet(images, (2, 2, 2, 2)),
        "resnet18_imagenet_1000_no_top.h5",
        _CLASSIFICATION_MODELS,
        "318e3ac0cd98d51e917526c9f62f0b50",
    ),
    "resnet34": Encoder(
        lambda images: encode_resnet(images, (3, 4, 6, 3)),
        "resnet34_imagenet_1000_no_top.h5",
        _CLASSIFICATION_MODELS,
        "8caaa0ad39d927cb8ba5385bf945d582",
    ),
    "resnet50": _RESNET50,
    "resnet50_c4": replace(_RESNET50, encode=encode_resnet50_c4),
    "mobilenet_v2": Encoder(
        encode_mobilenet_v2,
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        _KERAS + "mobilenet_v2/",
        "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3",
        keras.applications.MobileNetV2,
    ),
}


def find_encoder_weights(encoder: str, weights: Path | str) -> Path:
    """The file that `weights` means for an encoder of ENCODERS.

    "imagenet" downloads it once into Keras' cache and checks its digest; a folder holds it under
    its usual name; anything else is its path. Errors: FileNotFoundError that says where to put it.
    """
    if weights == "imagenet":
        return _download(ENCODERS[encoder])
    path = Path(weights)
    if path.is_dir():
        path = path / ENCODERS[encoder].file
    if not path.is_file():
        raise FileNotFoundError(
            "`weights` must be None, 'imagenet', the path of a .h5 file, or a folder that holds "
            f"{ENCODERS[encoder].file}. Received: {path}, which is not there."
        )
    return path


def load_encoder_weights(model: keras.Model, encoder: str, path: Path | str) -> None:
    """Loads an encoder's weights from the file of its publisher into `model`'s layers by name.

    A file of keras.applications may hold the classifier too, and may be of Keras 3
    (`.weights.h5`). Errors: ValueError where the file is no such file or lacks a layer.
    """
    path = Path(path)
    if not h5py.is_hdf5(path):
        raise ValueError(f"`weights` must be a Keras .h5 file. Received: {path}, which is none.")
    application = ENCODERS[encoder].application
    wanted = [x for x in model.layers if x.weights and not x.name.startswith(FRESH)]
    rule, remedy = f"`weights` must be those of {encoder}.", f"Use {ENCODERS[encoder].file}."
    with name_errors(path, rule, remedy):
        with h5py.File(path) as file:
            check_hdf5(file, MOST_BYTES)
        if application:
            arrays = _read_application(application, path)
        else:
            arrays = _read_layers(path)
        missing = sorted(layer.name for layer in wanted if layer.name not in arrays)
        for layer in () if missing else wanted:
            layer.set_weights(arrays[layer.name])
    if missing:
        raise ValueError(
            f"`weights` must hold every layer of the encoder. Received: {path}, which lacks "
            f"{', '.join(missing[:3])} ({len(missing)} of {len(wanted)}). "
            f"Use {ENCODERS[encoder].file}."
        )


def _read_layers(path: Path) -> dict[str, list[np.ndarray]]:
    """Each layer's weights in a Keras 2 file."""
    with h5py.File(path) as file:
        groups = file.get("model_weights", file)
        return {
            name: [np.asarray(group[weight]) for weight in group.attrs["weight_names"]]
            for name, group in groups.items()
        }


def _read_application(
    application: Callable[..., keras.Model], path: Path
) -> dict[str, list[np.ndarray]]:
    """Each layer's weights in a file of keras.applications, for RGB photos.

    Old files hold other names for the layers, so Keras reads them in the model's own order.
    """
    whole = "notop" not in path.name.replace("_", "")
    network = application(weights=None, include_top=whole)
    network.load_weights(path)
    arrays = {layer.name: layer.get_weights() for layer in network.layers}
    if application is keras.applications.ResNet50:  # its first convolution was trained on BGR
        arrays["conv1_conv"][0] = arrays["conv1_conv"][0][:, :, ::-1]
    return arrays


def _download(encoder: Encoder) -> Path:
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
    url = encoder.url + encoder.file
    if not (folder / encoder.file).exists():
        print(f"Downloading {url} into {folder}.", flush=True)
    kind = {32: "md5", 64: "sha256"}[len(encoder.digest)]
    try:
        return fetch(
            url,
            folder / encoder.file,
            f"{kind}:{encoder.digest}",
            most_bytes=MOST_BYTES,
            seconds=SECONDS,
        )
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{encoder.file} could not be downloaded ({error}). Put {url} ({encoder.digest}) into "
            f"{folder}, give its path or its folder as `weights`, or use weights=None."
        ) from error
