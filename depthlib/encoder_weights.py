"""ImageNet weights of the encoders: fetched, read, and put into a network's layers by name."""

import os
from pathlib import Path

import h5py
import keras
import numpy as np

from depthlib.encoders import ENCODERS, FRESH, Encoder


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
    arrays = _read_application(encoder, path) if application else _read_layers(path)
    wanted = [x for x in model.layers if x.weights and not x.name.startswith(FRESH)]
    if missing := sorted(layer.name for layer in wanted if layer.name not in arrays):
        raise ValueError(
            f"`weights` must hold every layer of the encoder. Received: {path}, which lacks "
            f"{', '.join(missing[:3])} ({len(missing)} of {len(wanted)}). "
            f"Use {ENCODERS[encoder].file}."
        )
    for layer in wanted:
        layer.set_weights(arrays[layer.name])


def _read_layers(path: Path) -> dict[str, list[np.ndarray]]:
    """Each layer's weights in a Keras 2 file."""
    with h5py.File(path) as file:
        groups = file.get("model_weights", file)
        return {
            name: [np.asarray(group[weight]) for weight in group.attrs["weight_names"]]
            for name, group in groups.items()
        }


def _read_application(encoder: str, path: Path) -> dict[str, list[np.ndarray]]:
    """Each layer's weights in a file of keras.applications, for RGB photos.

    Old files hold other names for the layers, so Keras reads them in the model's own order.
    """
    whole = "notop" not in path.name.replace("_", "")
    network = ENCODERS[encoder].application(weights=None, include_top=whole)
    try:
        network.load_weights(path)
    except (ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"`weights` must be those of {encoder}. Received: {path}: {reason} "
            f"Use {ENCODERS[encoder].file}."
        ) from error
    arrays = {layer.name: layer.get_weights() for layer in network.layers}
    if encoder == "resnet50":  # its first convolution was trained on BGR
        arrays["conv1_conv"][0] = arrays["conv1_conv"][0][:, :, ::-1]
    return arrays


def _download(encoder: Encoder) -> Path:
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    folder = cache / "models"
    try:
        path = keras.utils.get_file(
            encoder.file,
            encoder.url + encoder.file,
            cache_dir=str(cache),
            cache_subdir=folder.name,
            file_hash=encoder.digest,
        )
    except Exception as error:  # get_file raises a plain Exception where the network fails
        raise FileNotFoundError(
            f"{encoder.file} could not be downloaded ({error}). Put {encoder.url}{encoder.file} "
            f"({encoder.digest}) into {folder}, give its path or its folder as `weights`, or use "
            "weights=None."
        ) from error
    return Path(path)
