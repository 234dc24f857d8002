"""What a training run is, as data: the seed's two runs and those that we recommend."""

import ast
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from depthlib.data.augment import check_effects

NETWORKS = (
    "resnet18", "resnet34", "resnet50", "mobilenet_v2",
    "unet", "unet_narrow", "unet_shallow", "unet_full_size",
    "unet_seed", "unet_seed_norm", "unet_seed_shallow",
)  # fmt: skip
LOSSES = ("depth", "scale_invariant")
OPTIMIZERS = ("adam_amsgrad", "adamw")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
SCALES = ("linear", "log", "bins")
SCHEDULES = ("constant", "linear", "one_cycle")
SPLITS = ("scene", "frame")
CHANNELS = ("rgb", "bgr")
CHOICES = {
    "network": NETWORKS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "depth_scale": SCALES,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "split": SPLITS,
    "channels": CHANNELS,
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides the data itself.

    Sizes are in pixels, `learning_rate` is the schedule's highest; an encoder moves at
    `encoder_rate` times it. `clip_norm` is the largest norm of all gradients together, `average`
    the momentum of an exponential average of the weights (0: none), which is then validated and
    kept. `loss_weights` (SSIM, gradient, L1) belong to the loss "depth". `depth_scale`: see
    `DepthHead`. `weights`: see `build_encoder_decoder`, or the .keras file of the same network, to
    go on from all of its weights. `augment` turns `Augmentation` on; `jitter`, `crop`, `rotation`,
    `cut_depth`, `weather` and `effects` (None: all) are its. `channels` "bgr", `normalise` (photo
    and truth stretched to their own range each, so that depth is up to a scale and a shift) and
    `split` "frame" (see `split_by_frame`) are faults of the seed, kept to be measured. `counts`
    draws so many (training, validation) pairs, `scenes` so many of the scenes that train; None
    takes all. `validation` is the share of scenes that validate: 0 trains on all and keeps the last
    epoch. `precision` "auto" takes what `device.choose_precision` finds fast. With `consistency`
    above 0 each pair comes twice, without weather and with it, and it weighs how much depth may not
    differ between the two (`ConsistentLoss`); `batch_size` then counts pairs. `teacher` is the
    .keras file of a network to learn from beside the truth (`distillation`), of photos that are
    mixed (`mix`, the chance for each, see `Augmentation`) alone.
    Errors: ValueError for a choice or a number that makes no sense.
    """

    network: str = "resnet34"
    height: int = 192
    width: int = 256
    batch_size: int = 16
    epochs: int = 20
    learning_rate: float = 5e-4
    schedule: str = "one_cycle"
    optimizer: str = "adamw"
    weight_decay: float = 1e-2
    encoder_rate: float = 1.0
    clip_norm: float | None = None
    average: float = 0.0
    loss: str = "scale_invariant"
    loss_weights: tuple[float, float, float] = (1.0, 3.0, 0.1)
    depth_scale: str = "log"
    weights: str | None = None
    augment: bool = True
    jitter: float = 0.5
    crop: float = 0.5
    rotation: float = 0.0
    cut_depth: float = 0.0
    weather: float = 0.0
    effects: tuple[str, ...] | None = None
    consistency: float = 0.0
    teacher: str | None = None
    mix: float = 0.0
    validation: float = 0.2
    counts: tuple[int, int] | None = None
    scenes: int | None = None
    crop_border: bool = False
    split: str = "scene"
    channels: str = "rgb"
    normalise: bool = False
    precision: str = "auto"
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
SEED_RESNET34 = Recipe(
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
SEED_UNET = SEED_RESNET34.change(
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
    "seed_resnet34": SEED_RESNET34,
    "seed_unet": SEED_UNET,
}


def get_recipe(name: str, **fields) -> Recipe:
    """The recipe called `name`, with `fields` changed; a field that is None stays as it is.

    Errors: ValueError that lists the names.
    """
    if name not in RECIPES:
        raise ValueError(f"`recipe` must be one of {', '.join(RECIPES)}. Received: {name!r}.")
    return RECIPES[name].change(**{k: v for k, v in fields.items() if v is not None})


def read_changes(words: Sequence[str]) -> dict:
    """Changed fields from words like "epochs=2" and "weights=imagenet".

    Errors: ValueError for a word of another form or a field that a recipe lacks.
    """
    known = [field.name for field in fields(Recipe)]
    changes = {}
    for word in words:
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
