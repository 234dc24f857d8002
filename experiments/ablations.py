"""Which fields of a recipe a study changes, by the name of each variant."""

from depthlib.training.recipes import ORIGINAL_UNET, UNET
from depthlib.weather import EFFECTS

# What its code really does. Left out, as no result depends on them: the flips of validation photos
# (the network learned both sides alike) and the last partial batch, at most 3 of 20,000 photos,
# other ones each epoch. Test maps cut to 8 bits and `depth_acc` are faults of scoring, not of this.
ORIGINAL_AS_WRITTEN = ORIGINAL_UNET.change(
    split="frame", channels="bgr", normalise=True, jitter=0.0, crop=0.0
)


# From there to `UNET`, fault by fault: experiments/original_against_ours.ipynb. Metres
# come before the loss and the head, which make no sense without them.
FIXES = {
    "the original as written": {},
    "split by scene": {"split": "scene"},
    "RGB": {"channels": "rgb"},
    "metres": {"normalise": False},
    "scale-invariant loss": {"loss": "scale_invariant", "loss_weights": UNET.loss_weights},
    "log depth": {"depth_scale": "log"},
    "our U-Net": {"network": "unet"},
    "AdamW, one cycle": {
        "optimizer": "adamw",
        "weight_decay": UNET.weight_decay,
        "schedule": "one_cycle",
        "learning_rate": UNET.learning_rate,
    },
    "our batch": {"batch_size": UNET.batch_size},
    "colours and crops": {"jitter": UNET.jitter, "crop": UNET.crop},
}


# What experiments/recipe_ablations.ipynb changes in LIGHT, one at a time.
LIGHT_CHANGES = {
    "encoder at a tenth of the rate": {"encoder_rate": 0.1},
    "random encoder": {"weights": None},
    "rate 5e-4": {"learning_rate": 5e-4},
    "rate 2e-3": {"learning_rate": 2e-3},
    "constant rate": {"schedule": "constant"},
    "Adam": {"optimizer": "adam_amsgrad", "weight_decay": 0.0},
    "log-spaced bins": {"depth_scale": "bins"},
    "linear depth": {"depth_scale": "linear"},
    "the original's loss": {"loss": "depth"},
    "every second cropped": {"crop": 0.5},
    "no crop": {"crop": 0.0},
    "rotation by 2.5 degrees": {"rotation": 2.5},
    "no colours": {"jitter": 0.0},
    "CutDepth": {"cut_depth": 0.5},
    "average of weights": {"average": 0.99},
    "gradients clipped at 0.1": {"clip_norm": 0.1},
    "batch of 16": {"batch_size": 16},
    "bfloat16": {"precision": "mixed_bfloat16"},
    "input of 128x160": {"height": 128, "width": 160},
}


# What experiments/light_and_weather.ipynb trains on the same photos, each with its own changes.
_MIX = {"jitter": 0.5, "weather": 0.5}


WEATHER_VARIANTS = {
    "clean": {"jitter": 0.0},
    "colours": {"jitter": 0.5},
    **{f"{name} alone": {**_MIX, "effects": (name,)} for name in EFFECTS},
    "mix at .25": {**_MIX, "weather": 0.25},
    "mix at .5": _MIX,
    "mix at 1": {**_MIX, "weather": 1.0},
    "mix and consistency": {**_MIX, "weather": 1.0, "consistency": 5.0},
}
