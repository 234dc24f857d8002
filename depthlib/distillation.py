"""First weights for an encoder whose own of ImageNet are not at hand: it learns another's features.

Also a command: python -m depthlib.distillation --help
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import pandas as pd
from keras import layers, ops

from depthlib.augment import Augmentation
from depthlib.datasets import get_spec
from depthlib.device import choose_precision
from depthlib.encoder_weights import find_encoder_weights, load_encoder_weights
from depthlib.encoders import ENCODERS
from depthlib.generator import DepthGenerator, EpochFollower
from depthlib.layers import as_float32
from depthlib.optimizers import make_optimizer
from depthlib.pairs import Pairs, read_csv
from depthlib.recipes import Recipe
from depthlib.run_folder import save_model

STAGES = (1, 2, 3, 4)  # of the features at strides 2, 4, 8, 16 and 32: all but the first


@keras.saving.register_keras_serializable("depthlib")
class FeatureDistance(layers.Layer):
    """Mean over places of 1 - the cosine between two maps (batch, h, w, channels): (batch, 1).

    Blind to the length of a feature, which differs between networks, and to nothing else.
    """

    def call(self, maps):
        first, second = (ops.normalize(ops.cast(x, "float32"), axis=-1) for x in maps)
        return ops.mean(1 - ops.sum(first * second, axis=-1), axis=(1, 2))[:, None]


def build_pair(
    student: str, teacher: str, teacher_weights: Path | str, height: int, width: int
) -> tuple[keras.Model, keras.Model]:
    """(what is trained, the student's encoder alone), of encoders in ENCODERS.

    What is trained takes uint8 RGB (batch, height, width, 3) to the distance of the student's
    features, each stage through a 1x1 convolution of its own (FitNets, arXiv 1412.6550), from the
    teacher's, which stay as `teacher_weights` has them: (batch, 1). Errors: those of
    `encoder_weights`.
    """
    photos = keras.Input((height, width, 3), dtype="uint8", name="data")
    known = keras.Model(photos, ENCODERS[teacher].encode(photos), name="teacher")
    load_encoder_weights(known, teacher, find_encoder_weights(teacher, teacher_weights))
    known.trainable = False
    learner = keras.Model(photos, ENCODERS[student].encode(photos), name="student")
    features, targets = learner(photos), known(photos, training=False)
    distances = [
        FeatureDistance(dtype="float32")(
            [layers.Conv2D(targets[stage].shape[-1], 1)(features[stage]), targets[stage]]
        )
        for stage in STAGES
    ]
    return keras.Model(photos, layers.Average(dtype="float32")(distances)), learner


def distil(
    student: str,
    teacher: str,
    teacher_weights: Path | str,
    photos: Sequence[Pairs],
    path: Path | str,
    *,
    height: int = 128,
    width: int = 160,
    epochs: int = 100,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    cache_folder: Path | str | None = None,
    seed: int = 0,
    verbose: int | str = "auto",
) -> pd.DataFrame:
    """Trains the student's encoder on the photos alone, writes it to `path` and gives the log.

    Depth is not looked at. Every photo is shown mirrored or not, in other colours and as a part
    of itself. The file is a .keras one that `Recipe.weights` takes for a network with this encoder.
    Errors: those of `build_pair` and `DepthGenerator`.
    """
    augmentation = Augmentation(jitter=0.8, crop=1.0, share=(0.4, 1.0))
    batches = DepthGenerator(
        photos,
        height,
        width,
        batch_size,
        shuffle=True,
        augmentation=augmentation,
        seed=seed,
        cache_folder=cache_folder,
        counts=True,
    )
    keras.utils.set_random_seed(seed)
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(choose_precision())
    try:
        trained, learner = build_pair(student, teacher, teacher_weights, height, width)
    finally:
        keras.config.set_dtype_policy(usual)
    optimizer = make_optimizer(Recipe(learning_rate=learning_rate), epochs * len(batches))
    trained.compile(optimizer, take_distance)
    history = trained.fit(
        batches, epochs=epochs, shuffle=False, callbacks=[EpochFollower(batches)], verbose=verbose
    )
    save_model(as_float32(learner), Path(path))
    return pd.DataFrame(history.history)


def take_distance(y_true, y_pred):
    """The distance itself is the loss; depth, which the batches hold too, has no part in it."""
    return y_pred[:, 0]


def main(words: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlib.distillation", description=distil.__doc__.split("\n")[0]
    )
    parser.add_argument("student", choices=ENCODERS)
    parser.add_argument("teacher", choices=ENCODERS)
    parser.add_argument("--weights", default="imagenet", help="the teacher's: file or folder")
    parser.add_argument(
        "--photos", nargs=2, action="append", required=True, metavar=("CSV", "SPEC")
    )
    parser.add_argument("--export", type=Path, required=True, help="the encoder's file, .keras")
    parser.add_argument("--cache-folder", default="runs/cache", help="folder of decoded images")
    for name, value in (("height", 128), ("width", 160), ("epochs", 100), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} without it")
    parser.add_argument("--batch-size", type=int, default=32, help="32 without it")
    parser.add_argument("--verbose", type=int, default=2, help="1: a bar, 2: a line an epoch")
    arguments = vars(parser.parse_args(words))
    names = ("student", "teacher", "weights", "photos", "export")
    student, teacher, weights, photos, path = (arguments.pop(name) for name in names)
    try:
        pairs = [read_csv(csv, get_spec(spec)) for csv, spec in photos]
        log = distil(student, teacher, weights, pairs, path, **arguments)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(log.tail(1).to_string(index=False))


if __name__ == "__main__":
    main()
