"""A small network that takes cast shadows out of photos, learned from rendered pairs.

Also a command: python -m experiments.relight_network --help
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from depthlib.data.augment import Augmentation
from depthlib.data.images import check_rgb, resize_rgb
from depthlib.data.pairs import Pairs, read_csv
from depthlib.data.specs import ROADS
from depthlib.files import NETWORK, check_ours, replace_ours
from depthlib.networks.layers import as_float32, check_size
from depthlib.networks.losses import mean_gradient, mean_over_valid
from depthlib.networks.saving import save_model
from depthlib.networks.unet import unet_features
from depthlib.training.generator import EpochFollower
from experiments.lighting import read_views

IN_SUN = {"clear", "low_sun"}  # the conditions of rendered roads that cast shadows
STRIDE = 8  # the size must divide by it
LARGEST_GAIN = 6.0  # of a coded value: a shadow of a thirtieth of the light, at a gamma of 2.2


def build_relight_network(height, width, name="relight"):
    """A U-Net from uint8 RGB (batch, height, width, 3) to float32 RGB, 0..255 and above.

    It multiplies: each pixel and channel by a gain from 1 / LARGEST_GAIN to LARGEST_GAIN whose
    logarithm the last convolution gives, because a shadow divides; so texture comes through as it
    is. It starts as a gain of 1. `height` and `width` are multiples of 8.
    """
    check_size(height, width, STRIDE)
    photos = keras.Input((height, width, 3), dtype="uint8", name="photo")
    scaled = layers.Rescaling(1 / 255, name="to_unit_range")(photos)
    features = unet_features(scaled, encoder=(16, 32, 64, 96), decoder=(48, 24, 16), full_size=12)
    logs = layers.Conv2D(
        3, 3, padding="same", activation="tanh", kernel_initializer="zeros", name="log_gain"
    )(features)
    logs = layers.Rescaling(math.log(LARGEST_GAIN), name="to_log_range")(logs)
    gains = layers.Activation("exponential", name="gain")(logs)
    lit = layers.Multiply(name="lift")([scaled, gains])
    return keras.Model(photos, layers.Rescaling(255, name="to_photo")(lit), name=name)


@keras.saving.register_keras_serializable("depthlib")
class PhotoLoss(keras.losses.Loss):
    """L1 plus the L1 of the gradients of the difference of two photos, both in 0..1."""

    def call(self, y_true, y_pred):
        error = (y_pred - y_true) / 255
        every = ops.ones_like(error)
        return mean_over_valid(ops.abs(error), every) + mean_gradient(error, every)


class Relighter:
    """A trained network as a function from photo to photo, for `Predictor(preprocess=...)`.

    The network sees the photo at its own size; its gain, enlarged, lifts the photo at the photo's.
    """

    def __init__(self, network: keras.Model):
        self.network = network
        self.height, self.width = network.input_shape[1:3]

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 RGB (height, width, 3) to the same, of any size. Errors: ValueError for others."""
        check_rgb(rgb)
        small = resize_rgb(rgb, self.height, self.width)
        lit = np.asarray(self.network.predict_on_batch(small[None]))[0]
        gain = resize_rgb((lit + 1) / (small + np.float32(1)), *rgb.shape[:2])
        return np.rint(np.clip(rgb * gain, 0, 255)).astype(np.uint8)


def load_relighter(path: Path | str) -> Relighter:
    """The network in a file of `train_relight`, as a function from photo to photo.

    Errors: FileNotFoundError.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path}. Train it: python -m experiments.relight_network "
            f"datasets/sample_roads/road_train.csv {path}"
        )
    return Relighter(keras.models.load_model(path, compile=False, safe_mode=True))


def match_without_shadow(
    shadowed: np.ndarray, overcast: np.ndarray, shadow: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """The photo `shadowed` without its cast shadows, from the same view under an overcast sky.

    Photos uint8 (height, width, 3); `shadow` (height, width), 0 in the sun to 1 in shadow; `known`
    bool, false in the sky. Outside shadow it is the photo itself. Inside it is the overcast one,
    whose surfaces and shading are those of the view, times the ratio of the two photos in the lit
    places nearby, each channel apart: overcast light is weaker, cooler and from all sides.
    """
    lit = (shadow == 0) & known & (shadowed.max(axis=2) < 255) & (overcast.max(axis=2) < 255)
    logs = np.log(shadowed.astype(np.float32) + 1) - np.log(overcast.astype(np.float32) + 1)
    weight = lit.astype(np.float32)
    sigma = np.hypot(*lit.shape) / 12
    everywhere = 1e-4 * (logs[lit].mean(axis=0) if lit.any() else logs.mean(axis=(0, 1)))
    near = cv2.GaussianBlur(logs * weight[..., None], (0, 0), sigma) + everywhere
    ratio = np.exp(near / (cv2.GaussianBlur(weight, (0, 0), sigma) + 1e-4)[..., None])
    without = (overcast.astype(np.float32) + 1) * ratio - 1
    share = shadow[..., None].astype(np.float32)
    return np.rint(np.clip(share * without + (1 - share) * shadowed, 0, 255)).astype(np.uint8)


def read_relight_pairs(
    pairs: Pairs, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Photos with cast shadows and without, uint8 (photos, height, width, 3), and each one's scene.

    `pairs` are rendered roads (see `conditions.read_views`). Each photo in the sun makes one by
    `match_without_shadow`; the overcast photo makes one with itself, so that the network also sees
    what is to stay. Errors: ValueError where no scene was rendered in the sun; those of
    `read_views`.
    """
    photos, targets, scenes = [], [], []
    for view in read_views(pairs):
        for condition in sorted(IN_SUN & view.masks.keys()):
            shadowed, overcast = (
                resize_rgb(view.photos[name], height, width) for name in (condition, "overcast")
            )
            shadow = resize_rgb(view.masks[condition].astype(np.float32), height, width)
            known = resize_rgb((view.truth > 0).astype(np.float32), height, width) > 0
            photos += [shadowed, overcast]
            targets += [match_without_shadow(shadowed, overcast, shadow, known), overcast]
            scenes += [view.scene] * 2
    if not photos:
        raise ValueError(
            f"Pairs must show scenes in the sun: {', '.join(sorted(IN_SUN))}. Received: none in "
            f"{pairs.root}. Run `make roads`."
        )
    return np.stack(photos), np.stack(targets), scenes


class PhotoPairs(keras.utils.PyDataset):
    """Batches of photos and targets, uint8 (batch, height, width, 3), shuffled.

    Both are mirrored, cropped and coloured alike; order and changes are those of seed and epoch.
    """

    def __init__(self, photos, targets, batch_size, seed=0):
        super().__init__(workers=1)
        self.photos, self.targets = photos, targets
        self.batch_size, self.seed = batch_size, seed
        self.augmentation = Augmentation(jitter=0.8, share=(0.6, 1.0), gamma=(0.8, 1.25))
        self.epoch = 0

    def __len__(self):
        return -(-len(self.photos) // self.batch_size)

    def __getitem__(self, index):
        order = np.random.default_rng([self.seed, self.epoch, 0]).permutation(len(self.photos))
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        draws = self.augmentation.draw(self.seed, self.epoch, len(self.photos))[rows]
        # As one batch of twice the size, in which a photo and its target have the same draws.
        both = np.concatenate([self.photos[rows], self.targets[rows]])
        unused = np.zeros(both.shape[:3], np.uint16)
        self.augmentation.apply(both, unused, np.concatenate([draws, draws]))
        return both[: len(rows)], both[len(rows) :]


def train_relight(
    pairs: Pairs,
    path: Path | str,
    *,
    height: int = 120,
    width: int = 160,
    steps: int = 1500,
    batch_size: int = 8,
    seed: int = 0,
    verbose: int | str = "auto",
) -> pd.DataFrame:
    """Trains on rendered roads, writes the network to `path` and gives the log.

    The log has a row an epoch: loss, val_loss (on the last eighth of the scenes, from 8 scenes on)
    and the val_loss of a network that changes nothing, as `unchanged`.
    """
    check_size(height, width, STRIDE)
    check_ours(path, kind=NETWORK)
    photos, targets, scenes = read_relight_pairs(pairs, height, width)
    held = sorted(set(scenes))[len(set(scenes)) - len(set(scenes)) // 8 :]
    validates = np.isin(scenes, held)
    batches = PhotoPairs(photos[~validates], targets[~validates], batch_size, seed)
    epochs = max(1, round(steps / len(batches)))
    keras.utils.set_random_seed(seed)
    network = build_relight_network(height, width)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(batches))
    network.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), PhotoLoss())
    history = network.fit(
        batches,
        validation_data=(photos[validates], targets[validates]) if held else None,
        epochs=epochs,
        shuffle=False,
        callbacks=[EpochFollower(batches)],
        verbose=verbose,
    )
    with replace_ours(path, NETWORK) as temporary:
        save_model(as_float32(network), temporary)  # without the optimizer
    log = pd.DataFrame(history.history)
    if held:
        same = PhotoLoss()(targets[validates], photos[validates].astype(np.float32))
        log["unchanged"] = float(ops.convert_to_numpy(same))
    return log


def main(words: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.relight_network",
        description=train_relight.__doc__.split("\n")[0],
    )
    parser.add_argument("csv", help="of rendered roads: datasets/sample_roads/road_train.csv")
    parser.add_argument("path", help="the network's file, .keras")
    for name, value in (("height", 120), ("width", 160), ("steps", 1500), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} without it")
    parser.add_argument("--verbose", type=int, default=2, help="1: a bar, 2: a line an epoch")
    arguments = vars(parser.parse_args(words))
    try:
        log = train_relight(read_csv(arguments.pop("csv"), ROADS), **arguments)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(log.tail(1).to_string(index=False))


if __name__ == "__main__":
    main()
