"""What a training run is, as data: the original project's two runs and those that we recommend."""

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from depthlib.data.augment import check_effects
from depthlib.networks.shipped import SHIPPED

NETWORKS = (
    "resnet18", "resnet34", "resnet50", "resnet50_c4", "mobilenet_v2",
    "unet", "unet_narrow", "unet_shallow", "unet_full_size",
    "unet_seed", "unet_seed_norm", "unet_seed_shallow",
)  # fmt: skip
LOSSES = ("depth", "scale_invariant")
OPTIMIZERS = ("adam_amsgrad", "adamw")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
DEPTH_SCALES = ("linear", "log", "bins")
SCHEDULES = ("constant", "linear", "one_cycle")
SPLITS = ("scene", "frame")
CHANNELS = ("rgb", "bgr")


@dataclass(frozen=True)
class Range:
    """The finite numbers from `least` to `most`, and between `above` and `below`."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def __contains__(self, number: float) -> bool:
        return self.least <= number <= self.most and self.above < number < self.below

    def __str__(self) -> str:
        bounds = {
            "at least": self.least,
            "above": self.above,
            "at most": self.most,
            "below": self.below,
        }
        return " and ".join(f"{word} {n}" for word, n in bounds.items() if math.isfinite(n))


# The values of a recipe's fields: a type, then the numbers or the names that it may be.
Pixels = Annotated[int, Range(1, 10_000)]
Count = Annotated[int, Range(1, 10_000_000)]
Share = Annotated[float, Range(0, 1)]
Part = Annotated[float, Range(0, below=1)]  # less than the whole
Weight = Annotated[float, Range(0, 1000)]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides the data itself.

    A field's annotation says which values it takes, and they are checked by it. NumPy's scalars,
    lists and paths become what JSON and Python hold alike. Errors: ValueError for another value,
    or one that makes no sense beside the others.
    """

    # The network, and the size in pixels at which it sees a photo.
    network: Annotated[str, NETWORKS] = "resnet34"
    height: Pixels = 192
    width: Pixels = 256
    depth_scale: Annotated[str, DEPTH_SCALES] = "log"  # its output is linear in it: `DepthHead`
    # How far it can tell, in metres; None: as far as its data says. What stands on a photo that is
    # seen smaller than training's is farther for it than in metres.
    max_depth: Annotated[float, Range(above=0, most=1000)] | None = None
    # What it begins with: see `build_encoder_decoder`; or all weights of the same network, from a
    # .keras file or one that ships, by its name in `networks.shipped`.
    weights: str | None = None
    precision: Annotated[str, PRECISIONS] = "auto"  # what `device.choose_precision` finds fast

    # The schedule. With `consistency` a batch counts pairs, each of which comes twice.
    batch_size: Count = 16
    epochs: Count = 20
    learning_rate: Annotated[float, Range(above=0, most=1)] = 5e-4  # the schedule's highest
    schedule: Annotated[str, SCHEDULES] = "one_cycle"
    optimizer: Annotated[str, OPTIMIZERS] = "adamw"
    weight_decay: Annotated[float, Range(0, 10)] = 1e-2
    encoder_rate: Share = 1.0  # share of the rest's learning rate; 0: the encoder stays as it is
    # The largest norm of all gradients together; None: any.
    clip_norm: Annotated[float, Range(above=0, most=1000)] | None = None
    average: Part = 0.0  # momentum of the weights' moving average, which is kept; 0: none is

    # The loss.
    loss: Annotated[str, LOSSES] = "scale_invariant"
    loss_weights: tuple[Weight, Weight, Weight] = (1.0, 3.0, 0.1)  # "depth": SSIM, gradient, L1
    consistency: Weight = 0.0  # weighs how little weather may change depth: `ConsistentLoss`
    # A .keras file, or the name of one that ships, to learn from beside the truth: `distillation`.
    teacher: str | None = None

    # Weighs how badly other views explain a photo, where the data has them: `photometric`.
    photometric: Weight = 1.0

    extra_weight: Weight = 1.0  # of a photo of the extra data, beside one of the main data

    # The augmentation: see `Augmentation`, whose chances and degrees these are.
    augment: bool = True  # False: photos as they are, not even mirrored
    jitter: Share = 0.5
    crop: Share = 0.5
    rotation: Annotated[float, Range(0, 45)] = 0.0
    cut_depth: Share = 0.0
    weather: Share = 0.0
    effects: tuple[str, ...] | None = None  # names in `weather.EFFECTS`; None: all
    mix: Share = 0.0  # of mixed photos only a teacher knows the depth
    boxes: Share = 0.0  # on roads: `data.boxes`

    # The data: what trains, what validates. None takes all.
    validation: Part = 0.2  # share of the scenes that validate; 0 keeps the last epoch
    # (training, validation) pairs that are drawn.
    counts: tuple[Count, Annotated[int, Range(0, 10_000_000)]] | None = None
    scenes: Count | None = None  # that are drawn of those that train
    crop_border: bool = False  # cut off the dataset's white frame
    # Extra photos of roads that are taller than the main data's are cut to its shape; True: they
    # train a second time whole, as the finished network is shown such: `mixed_pairs.show_whole`.
    whole: bool = False

    # Faults of the original project, kept to be measured.
    split: Annotated[str, SPLITS] = "scene"  # "frame": rooms that train validate too
    channels: Annotated[str, CHANNELS] = "rgb"
    normalise: bool = False  # stretch photo and truth to their own range: no metres

    seed: Annotated[int, Range(0, 2**32 - 1)] = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                value = _convert(value, field.type)
            except (ValueError, OverflowError):
                raise ValueError(
                    f"`{field.name}` must be {_describe(field.type)}. "
                    f"Received: {field.name}={value!r}."
                ) from None
            object.__setattr__(self, field.name, value)
        shipped = SHIPPED.get(self.weights or "")
        if shipped and shipped.network != self.network:
            fitting = [name for name, each in SHIPPED.items() if each.network == self.network]
            raise ValueError(
                "`weights` must be of the same network. Received: "
                f"weights={self.weights!r}, which is {shipped.network or 'two networks as one'}, "
                f"for network={self.network!r}. Use {' or '.join([*fitting, 'None'])}."
            )
        if self.network.startswith("unet") and self.weights and not is_network(self.weights):
            raise ValueError(
                "`weights` of a U-Net must be a .keras file of the same network, or the name of "
                f"one that ships. Received: weights={self.weights!r}, network={self.network!r}. "
                "Use weights=None."
            )
        if self.normalise and self.loss != "depth":
            raise ValueError(
                "`normalise` needs the loss that stretches the truth too. Received: "
                f"loss={self.loss!r}. Use loss='depth', or normalise=False."
            )
        if self.loss == "depth" and not any(self.loss_weights):
            raise ValueError(
                "`loss_weights` must leave a term of the loss. Received: "
                f"loss_weights={self.loss_weights}. Use (1, 3, 0.1)."
            )
        if self.consistency and not (self.weather and self.augment):
            raise ValueError(
                "`consistency` needs weather to be consistent in. Received: "
                f"consistency={self.consistency}, weather={self.weather}, augment={self.augment}. "
                "Use weather=1."
            )
        if self.mix and not (self.teacher and self.augment):
            raise ValueError(
                "`mix` needs a teacher, as mixed photos have no true depth. Received: "
                f"mix={self.mix}, teacher={self.teacher}, augment={self.augment}. Use mix=0."
            )
        if self.effects is not None:
            check_effects(self.effects)

    def change(self, **fields: Any) -> "Recipe":
        """The same recipe with some fields changed. Errors: ValueError, also for unknown ones."""
        known = self.to_dict().keys()
        if unknown := fields.keys() - known:
            raise ValueError(
                f"A recipe has the fields {', '.join(known)}. Received: "
                f"{', '.join(sorted(unknown))}. Correct or remove that."
            )
        return replace(self, **fields)

    def to_dict(self) -> dict:
        """The fields as JSON holds them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def is_network(weights: str) -> bool:
    """Whether a recipe's `weights` are a whole network's; else they are an encoder's alone."""
    return weights in SHIPPED or Path(weights).suffix == ".keras"


# What a plain type is called, and what may be converted to it.
_TYPES: dict[type, tuple[str, Any]] = {
    int: ("an integer", Integral),
    float: ("a number", Real),
    bool: ("True or False", (bool, np.bool_)),
    str: ("a non-empty string", (str, PathLike)),
}


def _convert(value: object, kind: Any) -> Any:
    """`value` as the annotation `kind` has it: NumPy's scalars become Python's, lists tuples.

    Errors: ValueError or OverflowError where it is none.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # of something and None
        return None if value is None else _convert(value, parts[0])
    if origin is Annotated:
        converted = _convert(value, parts[0])
        if converted not in parts[1]:
            raise ValueError(value)
        return converted
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(value)
        parts = parts[:1] * len(value) if Ellipsis in parts else parts
        return tuple(_convert(item, part) for item, part in zip(value, parts, strict=True))
    # For Python a bool is an integer too.
    if not isinstance(value, _TYPES[kind][1]) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(value)
    if value == "":  # as a shell's variable that nobody set leaves it: weights=$BEST
        raise ValueError(value)
    return kind(value)


def _describe(kind: Any) -> str:
    """What `_convert` accepts, in words that follow "must be"."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return f"{_describe(parts[0])}, or None"
    if origin is Annotated and isinstance(parts[1], tuple):
        return f"one of {', '.join(parts[1])}"
    if origin is Annotated:
        return f"{_describe(parts[0])}, {parts[1]}"
    if origin is tuple and Ellipsis in parts:
        return f"a tuple such as (one,), each {_describe(parts[0])}"
    if origin is tuple:
        return f"a tuple of {len(parts)} ({'; '.join(dict.fromkeys(map(_describe, parts)))})"
    return _TYPES[kind][0]


# kyovchev/tensorflow-depth-estimation, train_resnet.ipynb: 195.4 s an epoch on an RTX 3050 Ti.
ORIGINAL_RESNET34 = Recipe(
    network="resnet34",
    height=128,
    width=128,
    batch_size=16,
    epochs=10,
    learning_rate=1e-4,
    schedule="constant",
    optimizer="adam_amsgrad",
    weight_decay=0.0,
    loss="depth",
    loss_weights=(1.0, 3.0, 0.1),
    depth_scale="linear",
    weights="imagenet",
    counts=(20_000, 5_000),
)
# The same project's train_unet.ipynb: 1205.4 s an epoch.
ORIGINAL_UNET = ORIGINAL_RESNET34.change(
    network="unet_seed",
    height=240,
    width=320,
    batch_size=4,
    schedule="linear",
    loss_weights=(1.0, 1.0, 0.1),
    weights=None,
)
RESNET34 = Recipe(network="resnet34")
UNET = Recipe(network="unet", learning_rate=1e-3)
# From ImageNet's weights. On few images it pays to move the encoder as fast as the rest.
LIGHT = Recipe(
    network="mobilenet_v2",
    weights="imagenet",
    batch_size=8,
    epochs=50,
    learning_rate=1e-3,
    crop=1.0,
)
RESNET50 = LIGHT.change(network="resnet50", epochs=25, learning_rate=5e-4)
RESNET50_C4 = RESNET50.change(network="resnet50_c4")
# Some tens of photos of one's own camera and place: 30 of 7-Scenes' kitchen, in 2 minutes on 2
# cores, brought delta1 of 10 others of that kitchen from 0.632 to 0.965. With an encoder at a
# tenth of the rate, 30 epochs of batches of 8 brought it to 0.916.
FINE_TUNE = LIGHT.change(weights="light", batch_size=4, epochs=60, crop=0.5)
# On the road the whole width counts: KITTI's shape, 375x1242, at half, worth .02 of δ1 over a third
# (docs/results/roads.md). A run may begin at 128x416, which takes less than half of the time.
_ROAD = {"height": 192, "width": 640, "batch_size": 8}
ROAD = LIGHT.change(**_ROAD)
ROAD_RESNET34 = RESNET34.change(**_ROAD)
ROAD_UNET = UNET.change(**_ROAD)
RECIPES = {
    "resnet34": RESNET34,
    "unet": UNET,
    "light": LIGHT,
    "resnet50": RESNET50,
    "resnet50_c4": RESNET50_C4,
    "fine_tune": FINE_TUNE,
    "road": ROAD,
    "road_resnet34": ROAD_RESNET34,
    "road_unet": ROAD_UNET,
    "seed_resnet34": ORIGINAL_RESNET34,
    "seed_unet": ORIGINAL_UNET,
}


def get_recipe(name: str, **fields: Any) -> Recipe:
    """The recipe called `name`, with `fields` changed; a field that is None stays as it is.

    Errors: ValueError that lists the names.
    """
    if name not in RECIPES:
        raise ValueError(f"`recipe` must be one of {', '.join(RECIPES)}. Received: {name!r}.")
    return RECIPES[name].change(**{k: v for k, v in fields.items() if v is not None})


def read_changes(words: Sequence[str]) -> dict:
    """Changed fields from words like "epochs=2" and "weights=imagenet", or several in a word.

    Errors: ValueError for a word of another form or a field that a recipe lacks.
    """
    known = [field.name for field in fields(Recipe)]
    changes = {}
    for word in chain.from_iterable(re.split(r"\s+(?=\w+=)", word.strip()) for word in words):
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            raise ValueError(
                f"A change must be field=value. Received: {word!r}. Fields: {', '.join(known)}."
            )
        try:
            changes[name] = ast.literal_eval(text)
        # Whatever the parser says, it is no literal, and so a string.
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            changes[name] = text
    return changes
