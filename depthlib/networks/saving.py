"""A network's file: written whole, halved for shipping, and read with nothing but its path."""

import io
import json
import math
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from depthlib.files import (
    NETWORK,
    check_hdf5,
    check_suffix,
    check_zip,
    name_errors,
    replace_file,
    replace_ours,
)

# Registers what saved networks are made of.
from depthlib.networks import fine_tuning, keras_metrics, layers, losses  # noqa: F401
from depthlib.networks.distillation import take_student
from depthlib.networks.layers import DepthHead, as_float32
from depthlib.networks.shipped import find_file

WEIGHTS = "model.weights.h5"  # what Keras calls them inside a .keras file

# The photos behind networks whose files do not say it themselves, as those that ship, by dataset,
# as in `data.specs`: a test holds the two against each other.
_NYU = {"focal": 518.86 / 640, "aspect": 640 / 480, "horizon": None}
_KITTI = {"focal": 721.5377 / 1242, "aspect": 1242 / 375, "horizon": 0.46}
_ROADS = {"focal": 0.87, "aspect": 320 / 240, "horizon": 0.45}
VIEWS = {
    **dict.fromkeys(("nyu_train", "nyu_test", "nyu_labelled", "nyu_relative"), _NYU),
    **dict.fromkeys(("kitti", "kitti_raw", "kitti_improved", "rendered_kitti"), _KITTI),
    "rendered_roads": _ROADS,
}


# What a depth network's file may ask for: a small one can claim more than the memory holds.
MAX_UNPACKED = 4 << 30  # bytes of all its parts
MAX_CONFIG = 1 << 26  # bytes of config.json
MAX_WIDTH = 1 << 20  # filters, units, pixels: any size in its config
MAX_VALUES = 1 << 29  # weights, of all layers together
_SHAPES = {"batch_shape", "batch_input_shape", "input_shape", "shape", "target_shape"}
_SIZES = {
    "filters", "units", "kernel_size", "depth_multiplier", "input_dim", "output_dim", "num_heads",
    "key_dim",
}  # fmt: skip
# A separable convolution has fewer weights than its sizes' product, its kernel's pixels at most.
_SPARE = 64


def load_model(path: Path | str) -> keras.Model:
    """The network in a .keras file, computing in float32; nothing but the path is needed.

    `path` may be the name of a network that ships, too. Errors: those of `shipped.find_file`;
    ValueError for a file that is no depth network of depthlib, is damaged, carries code (a Lambda
    layer), or is not called .keras.
    """
    path = find_file(path, "keras")
    rule = "A model must be a .keras file that depthlib saved."
    if path.suffix != ".keras":  # Keras takes no other, nor one in capitals
        raise ValueError(f"{rule} Received: {path}. Where it is one, let its name end in .keras.")
    with name_errors(path, rule, "Train it again, or copy the file again."):
        check_claims(path)
        model = take_student(keras.models.load_model(path, compile=False, safe_mode=True))
    if not isinstance(model.layers[-1], DepthHead):
        raise ValueError(
            "A depth network must end in a `DepthHead`, which carries its range and unit. "
            f"Received: {path}, which ends in {type(model.layers[-1]).__name__}."
        )
    # What a run goes on from keeps the precision that it trains in.
    mixed = any(layer.compute_dtype != "float32" for layer in model.layers)
    model = as_float32(model) if mixed else model
    head = model.layers[-1]
    if head.view is None:
        head.view = VIEWS.get(head.dataset, {})
    return model


def check_claims(path: Path) -> None:
    """Looks into a .keras file before Keras does, which makes whatever room a file asks for.

    Errors, which name no file: ValueError where it is damaged, or asks for more than a depth
    network has; KeyError and zipfile's own for what is no .keras file.
    """
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: part.file_size for part in archive.infolist()}
        if sum(parts.values()) > MAX_UNPACKED:
            raise ValueError(
                f"It unpacks to {sum(parts.values()):,} bytes, of at most {MAX_UNPACKED:,}."
            )
        if parts["config.json"] > MAX_CONFIG:
            raise ValueError(f"Its config has more than {MAX_CONFIG:,} bytes.")
        if damaged := archive.testzip():  # Keras reads weights of a wrong checksum without a word
            raise ValueError(f"Its {damaged} is damaged.")
        config = json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read(WEIGHTS))) as weights:
            check_hdf5(weights, MAX_UNPACKED)
    largest = max(_list_numbers(config, _SHAPES | _SIZES), default=0)
    if largest > MAX_WIDTH:
        raise ValueError(f"A size in its config is {largest:,}, of at most {MAX_WIDTH:,}.")
    claimed = sum(map(_count_values, _list_layers(config)))
    most = min(MAX_VALUES, _SPARE * parts[WEIGHTS])
    if claimed > most:
        raise ValueError(f"Its config asks for {claimed:,} weights, of at most {most:,}.")


def _list_layers(config: Any) -> Iterator[dict]:
    """What a network's config says of each layer, of networks within it too."""
    if isinstance(config, dict):
        if isinstance(config.get("config"), dict):
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _list_layers(value)


def _count_values(layer: dict) -> int:
    """About how many weights a layer has, at most, by its own sizes and its input's channels."""
    sizes = [*_list_numbers({k: v for k, v in layer["config"].items() if k in _SIZES}, _SIZES)]
    if not sizes:
        return 0
    build = layer.get("build_config")
    shape = [*_list_numbers(build, _SHAPES)] if isinstance(build, dict) else []
    return math.prod(max(int(size), 1) for size in [*sizes, *shape[-1:]])


def _list_numbers(config: Any, names: Collection[str], named: bool = False) -> Iterator[float]:
    """All numbers in a config under keys of these names."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from _list_numbers(value, names, key in names)
    elif isinstance(config, list):
        for value in config:
            yield from _list_numbers(value, names, named)
    elif named and isinstance(config, int | float):
        yield config


def load_models(files: Mapping[str, str | Sequence[str]]) -> dict[str, list[keras.Model]]:
    """The networks of each name: of its file, or of a list of its files, one a seed.

    Errors: those of `load_model`.
    """
    lists = {name: [paths] if isinstance(paths, str) else paths for name, paths in files.items()}
    return {name: [load_model(path) for path in paths] for name, paths in lists.items()}


def save_model(model: keras.Model, path: Path) -> None:
    """Saves a model atomically. Errors: OSError that names the file, as when the disk is full."""
    with _name_failure(path), replace_file(path) as temporary:
        model.save(temporary)


@contextmanager
def _name_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # h5py raises RuntimeError where a flush fails
        raise OSError(
            f"A model must be written whole. Received for {path}: {error}. The file that was "
            "there before is untouched; make room on the disk and start the run again."
        ) from error


# Values of a tensor below which it stays float32: norms and depthwise kernels. They take a tenth of
# a light network's file, and their rounding alone moves its delta1 in the third decimal.
SMALL = 10_000


def export_half(source: Path | str, target: Path | str) -> Path:
    """Writes the .keras file `source` with its weights stored as float16; gives `target`.

    Only the file changes: `load_model` casts to the layers' own float32, so what is computed with
    differs by the rounding of each weight, 2**-11 of it; tensors of fewer than SMALL values are not
    rounded. `source` is a network without optimizer,
    as a run's best.keras. Errors: ValueError for a weight that float16 cannot hold, for a file that
    is damaged or no Keras model, or for a target that is not called .keras; those of
    `files.replace_ours`.
    """
    check_suffix(target, ".keras")
    with replace_ours(target, NETWORK) as temporary:
        _write_half(Path(source), temporary, Path(source))
    return Path(target)


def export_model(model: keras.Model, target: Path | str) -> Path:
    """Writes a network as `export_half` does, whose errors these are, and those of `save_model`."""
    target = Path(target)
    check_suffix(target, ".keras")
    with replace_ours(target, NETWORK) as temporary, _name_failure(target):
        model.save(temporary)
        halve_file(temporary, target)
    return target


def halve_file(path: Path, name: Path | None = None) -> None:
    """Stores a .keras file's weights as float16. Errors: those of `export_half`, of `name`."""
    with replace_file(path) as temporary:
        _write_half(path, temporary, name or path)


def _write_half(source: Path, target: Path, called: Path) -> None:
    check_zip(source)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        if WEIGHTS not in old.namelist():
            raise ValueError(f"A .keras file must hold {WEIGHTS}. Received: {called}.")
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, _halve(data, called) if name == WEIGHTS else data)


def _halve(data: bytes, source: Path) -> bytes:
    halved = io.BytesIO()
    try:
        with h5py.File(io.BytesIO(data)) as old, h5py.File(halved, "w") as new:

            def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
                if isinstance(item, h5py.Group):
                    made = new.require_group(name)
                else:
                    made = new.create_dataset(name, data=_round(item[()], f"{name} in {source}"))
                made.attrs.update(item.attrs)

            new.attrs.update(old.attrs)
            old.visititems(copy)
    except (OSError, RuntimeError, KeyError) as error:  # all in memory, so no disk's
        raise ValueError(
            f"{WEIGHTS} must be as Keras wrote it. Received: {source}: {error}. Copy it again."
        ) from error
    return halved.getvalue()


def _round(weight: np.ndarray, place: str) -> np.ndarray:
    if weight.dtype != np.float32 or weight.size < SMALL:
        return weight
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError(
            f"A weight must be at most {np.finfo(np.float16).max:.0f}. Received: "
            f"{np.abs(weight).max():.3g} for {place}. Ship the float32 file."
        )
    return half
