"""The network of a recipe: which builder its name means, and in which precision it computes."""

from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import keras

from depthlib.data.specs import DatasetSpec
from depthlib.device import choose_precision
from depthlib.networks.encoder_decoder import build_encoder_decoder
from depthlib.networks.layers import prepare_photos
from depthlib.networks.saving import load_model
from depthlib.networks.unet import VARIANTS, build_unet
from depthlib.training.recipes import Recipe

# 25 million parameters, 45 MB
_SLIM: dict[str, Any] = {"separable": True, "filters": (256, 128, 64, 32)}
_LIGHT: dict[str, Any] = {"separable": True, "filters": (128, 96, 64, 32)}
ENCODER_DECODERS = {
    "resnet18": partial(build_encoder_decoder, encoder="resnet18"),
    "resnet34": partial(build_encoder_decoder, encoder="resnet34"),
    "resnet50": partial(build_encoder_decoder, encoder="resnet50", **_SLIM),
    "mobilenet_v2": partial(build_encoder_decoder, encoder="mobilenet_v2", **_LIGHT),
}
UNETS = {
    "unet" if variant == "default" else f"unet_{variant}": partial(build_unet, variant=variant)
    for variant in VARIANTS
}


def build_network(recipe: Recipe, spec: DatasetSpec) -> keras.Model:
    """The recipe's network in its precision, with the dataset's range and unit, not compiled."""
    usual = keras.config.dtype_policy()
    precision = choose_precision() if recipe.precision == "auto" else recipe.precision
    keras.config.set_dtype_policy(precision)
    try:
        network = _build(recipe, spec)
    finally:
        keras.config.set_dtype_policy(usual)
    if _is_network(recipe.weights):
        _copy_weights(recipe.weights, network)
    return network


def _build(recipe: Recipe, spec: DatasetSpec) -> keras.Model:
    head: dict[str, Any] = {
        "min_depth": spec.min_depth,
        "max_depth": spec.max_depth,
        "scale": recipe.depth_scale,
        "unit": "relative" if recipe.normalise else spec.unit,
        "dataset": spec.name,
        "view": spec.view(recipe.crop_border),
    }
    size, weights = (recipe.height, recipe.width), recipe.weights
    prepare = partial(prepare_photos, channels=recipe.channels, normalise=recipe.normalise)
    if recipe.network in UNETS:
        return UNETS[recipe.network](*size, prepare=prepare, **head)
    encoder_weights = None if _is_network(weights) else weights
    return ENCODER_DECODERS[recipe.network](*size, weights=encoder_weights, prepare=prepare, **head)


def _is_network(weights: str | None) -> TypeGuard[str]:
    """Whether `weights` names a file of a whole network."""
    return weights is not None and Path(weights).suffix == ".keras"


def _copy_weights(path: str, network: keras.Model) -> None:
    """Gives `network` the weights of the .keras file at `path`; else ValueError."""
    try:
        network.set_weights(load_model(path).get_weights())
    except ValueError as error:
        raise ValueError(
            f"`weights` must be a file of the same network. Received: {path} for {network.name}: "
            f"{error} Use None, or the network's own file."
        ) from error
