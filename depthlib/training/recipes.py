"""What a training run is, as data: the original project's two runs and those that we recommend."""

import ast
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain

from depthlib.data.augment import check_effects

NETWORKS = (
    "resnet18", "resnet34", "resnet50", "mobilenet_v2",
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
CHOICES = {
    "network": NETWORKS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "depth_scale": DEPTH_SCALES,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "split": SPLITS,
    "channels": CHANNELS,
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides the data itself.

    Errors: ValueError for a choice or a number that makes no sense.
    """

    # The network, and the size in pixels at which it sees a photo.
    network: str = "resnet34"  # one of NETWORKS
    height: int = 192
    width: int = 256
    depth_scale: str = "log"  # what its output is linear in: see `DepthHead`
    weights: str | None = None  # see `build_encoder_decoder`; or a .keras file of the same network
    precision: str = "auto"  # "auto": what `device.choose_precision` finds fast

    # The schedule. With `consistency` a batch counts pairs, each of which comes twice.
    batch_size: int = 16
    epochs: int = 20
    learning_rate: float = 5e-4  # the schedule's highest
    schedule: str = "one_cycle"
    optimizer: str = "adamw"
    weight_decay: float = 1e-2
    encoder_rate: float = 1.0  # an encoder's learning rate is this share of the rest's
    clip_norm: float | None = None  # the largest norm of all gradients together; None: any
    average: float = 0.0  # momentum of the weights' moving average, which is kept; 0: none is

    # The loss.
    loss: str = "scale_invariant"
    loss_weights: tuple[float, float, float] = (1.0, 3.0, 0.1)  # of "depth": SSIM, gradient, L1
    consistency: float = 0.0  # weighs how little weather may change depth: `ConsistentLoss`
    teacher: str | None = None  # a .keras file to learn from beside the truth: `distillation`

    # The augmentation: see `Augmentation`, whose chances and degrees these are.
    augment: bool = True  # False: photos as they are, not even mirrored
    jitter: float = 0.5
    crop: float = 0.5
    rotation: float = 0.0
    cut_depth: float = 0.0
    weather: float = 0.0
    effects: tuple[str, ...] | None = None  # names in `weather.EFFECTS`; None: all
    mix: float = 0.0  # of mixed photos only a teacher knows the depth

    # The data: what trains, what validates. None takes all.
    validation: float = 0.2  # share of the scenes that validate; 0 keeps the last epoch
    counts: tuple[int, int] | None = None  # (training, validation) pairs that are drawn
    scenes: int | None = None  # that are drawn of those that train
    crop_border: bool = False  # cut off the dataset's white frame

    # Faults of the original project, kept to be measured.
    split: str = "scene"  # "frame": rooms that train validate too (`split_by_frame`)
    channels: str = "rgb"  # "bgr"
    normalise: bool = False  # stretch photo and truth to their own range: no metres

    seed: int = 0

    def __post_init__(self):
        for field, allowed in CHOICES.items():
            if getattr(self, field) not in allowed:
                raise ValueError(
                    f"`{field}` must be one of {', '.join(allowed)}. "
                    f"Received: {field}={getattr(self, field)!r}."
                )
        for field in ("height", "width", "batch_size", "epochs", "learning_rate"):
            if getattr(self, field) <= 0:
                raise ValueError(
                    f"`{field}` must be positive. Received: {field}={getattr(self, field)}."
                )
        if self.normalise and self.loss != "depth":
            raise ValueError(
                "`normalise` needs the loss that stretches the truth too. Received: "
                f"loss={self.loss!r}. Use loss='depth', or normalise=False."
            )
        if not 0 <= self.weather <= 1:
            raise ValueError(f"`weather` must be 0 to 1. Received: weather={self.weather}.")
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

    def change(self, **fields) -> "Recipe":
        """The same recipe with some fields changed."""
        return replace(self, **fields)

    def to_dict(self) -> dict:
        """The fields as JSON holds them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


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
# On the road the whole width counts: KITTI's shape, 375x1242, at half, worth .02 of δ1 over a third
# (docs/results.md). A run may begin at 128x416, which takes less than half of the time.
_ROAD = {"height": 192, "width": 640, "batch_size": 8}
ROAD = LIGHT.change(**_ROAD)
ROAD_RESNET34 = RESNET34.change(**_ROAD)
ROAD_UNET = UNET.change(**_ROAD)
RECIPES = {
    "resnet34": RESNET34,
    "unet": UNET,
    "light": LIGHT,
    "resnet50": RESNET50,
    "road": ROAD,
    "road_resnet34": ROAD_RESNET34,
    "road_unet": ROAD_UNET,
    "seed_resnet34": ORIGINAL_RESNET34,
    "seed_unet": ORIGINAL_UNET,
}


def get_recipe(name: str, **fields) -> Recipe:
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
        except (SyntaxError, ValueError):
            changes[name] = text
    return changes
