"""What a training run is, as data: the seed's two runs and the two that we recommend."""

from dataclasses import asdict, dataclass, replace

NETWORKS = ("resnet34", "unet", "unet_narrow", "unet_shallow", "unet_full_size", "unet_seed")
LOSSES = ("depth", "scale_invariant")
OPTIMIZERS = ("adam_amsgrad", "adamw")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
SCHEDULES = ("constant", "linear", "one_cycle")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides the data itself.

    Sizes are in pixels, `learning_rate` is the schedule's highest. `loss_weights` (SSIM, gradient,
    L1) belong to the loss "depth". `augment` turns `Augmentation` on, `crop` is its chance of one.
    `counts` draws so many (training, validation) pairs, None takes
    all; `validation` is the share of scenes that validate. `weights`: see `build_resnet34`.
    `precision` "auto" takes what `device.choose_precision` finds fast.
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
    loss: str = "scale_invariant"
    loss_weights: tuple[float, float, float] = (1.0, 3.0, 0.1)
    depth_scale: str = "log"
    weights: str | None = None
    augment: bool = True
    crop: float = 0.5
    validation: float = 0.2
    counts: tuple[int, int] | None = None
    crop_border: bool = False
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self):
        choices = {
            "network": NETWORKS,
            "loss": LOSSES,
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "precision": PRECISIONS,
        }
        for field, allowed in choices.items():
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
RECIPES = {
    "resnet34": RESNET34,
    "unet": UNET,
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
