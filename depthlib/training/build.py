"""The network of a recipe: which builder its name means, and in which precision it computes."""

from functools import partial
from typing import Any

import keras

from depthlib.data.specs import DatasetSpec
from depthlib.device import choose_precision
from depthlib.networks.encoder_decoder import build_encoder_decoder
from depthlib.networks.fine_tuning import freeze_encoder, take_weights
from depthlib.networks.layers import prepare_photos
from depthlib.networks.saving import load_model
from depthlib.networks.unet import VARIANTS, build_unet
from depthlib.training.recipes import Recipe, is_network

# 25 million parameters, 45 MB; without the last stage of the encoder 9 million
_SLIM: dict[str, Any] = {"separable": True, "filters": (256, 128, 64, 32)}
_LIGHT: dict[str, Any] = {"separable": True, "filters": (128, 96, 64, 32)}
ENCODER_DECODERS = {
    "resnet18": partial(build_encoder_decoder, encoder="resnet18"),
    "resnet34": partial(build_encoder_decoder, encoder="resnet34"),
    "resnet50": partial(build_encoder_decoder, encoder="resnet50", **_SLIM),
    "resnet50_c4": partial(
        build_encoder_decoder, encoder="resnet50_c4", separable=True, filters=_SLIM["filters"][1:]
    ),
    "mobilenet_v2": partial(build_encoder_decoder, encoder="mobilenet_v2", **_LIGHT),
}
UNETS = {
    "unet" if variant == "default" else f"unet_{variant}": partial(build_unet, variant=variant)
    for variant in VARIANTS
}


def build_network(recipe: Recipe, spec: DatasetSpec, verbose: bool = False) -> keras.Model:
    """The recipe's network in its precision, with the dataset's range and unit, not compiled.

    verbose: print what its `weights` are taken over to that they have not learned.
    Errors: FileNotFoundError or ValueError where the weights cannot be had or do not fit.
    """
    if recipe.encoder_rate == 0 and recipe.weights is None:
        raise ValueError(
            "An encoder that stays as it is must have learned something. Received: "
            "encoder_rate=0.0, weights=None. Use weights='imagenet', or those of a network."
        )
    usual = keras.config.dtype_policy()
    precision = choose_precision() if recipe.precision == "auto" else recipe.precision
    keras.config.set_dtype_policy(precision)
    try:
        network = _build(recipe, spec)
    finally:
        keras.config.set_dtype_policy(usual)
    if recipe.weights and is_network(recipe.weights):
        changes = _take_weights(recipe.weights, network)
        if verbose and changes:
            print(f"Weights of {recipe.weights}: {'; '.join(changes)}.")
    if recipe.encoder_rate == 0:
        freeze_encoder(network)
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
    encoder_weights = None if weights and is_network(weights) else weights
    return ENCODER_DECODERS[recipe.network](*size, weights=encoder_weights, prepare=prepare, **head)


def _take_weights(weights: str, network: keras.Model) -> list[str]:
    """`take_weights` of a file, or of a network that ships; else ValueError that names it."""
    try:
        return take_weights(network, load_model(weights))
    except ValueError as error:
        raise ValueError(
            f"`weights` must be a file of the same network. Received: {weights} for "
            f"{network.name}: {error} Use None, or the network's own file."
        ) from error
