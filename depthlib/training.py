"""One training run: a recipe, pairs and a folder in; a trained network and its log out.

A run folder holds run.json (recipe, versions, split), log.csv (a row an epoch), last.keras (with
the optimizer: what a run that was stopped goes on from) and best.keras (for prediction).
"""

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import keras
import pandas as pd

from depthlib import __version__
from depthlib.augment import Augmentation
from depthlib.cache import depth_unit
from depthlib.datasets import DatasetSpec
from depthlib.device import choose_precision
from depthlib.files import replace_file, write_bytes
from depthlib.generator import DepthGenerator, EpochFollower
from depthlib.keras_metrics import DepthMetric
from depthlib.layers import as_float32
from depthlib.losses import DepthLoss, ScaleInvariantLoss
from depthlib.pairs import Pairs, split_by_scene
from depthlib.recipes import Recipe
from depthlib.resnet import build_resnet34
from depthlib.unet import build_unet


def train(
    recipe: Recipe,
    pairs: Pairs,
    run_folder: Path | str,
    *,
    cache_folder: Path | str | None = None,
    verbose: int | str = "auto",
) -> pd.DataFrame:
    """Trains as `recipe` says and gives the log, a row an epoch; the networks are in `run_folder`.

    A run that was stopped, even killed, goes on after its last whole epoch; one that is finished
    gives its log at once. `cache_folder` keeps decoded images for later runs. `verbose` as in
    Keras: 1 a bar, 2 a line an epoch. Errors: ValueError where the folder holds another run or the
    loss does not fit relative depth; what `cache` and `pairs` raise for bad files, before training.
    """
    run_folder = Path(run_folder)
    sides = split_by_scene(pairs, recipe.seed, recipe.validation, recipe.counts)
    _claim(run_folder, _describe(recipe, *sides))
    batches, validation_batches = _open_batches(recipe, *sides, cache_folder)
    keras.utils.set_random_seed(recipe.seed)
    model = build_network(recipe, pairs.spec)
    compile_network(model, recipe, pairs.spec, steps=recipe.epochs * len(batches))
    if (run_folder / "last.keras").exists():
        _restore(model, run_folder / "last.keras")
    steps = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    done = steps // len(batches)
    record = RunRecord(run_folder, done, "silog" if pairs.spec.unit == "relative" else "delta1")
    if done < recipe.epochs:
        model.fit(
            batches,
            validation_data=validation_batches,
            initial_epoch=done,
            epochs=recipe.epochs,
            shuffle=False,  # the generator shuffles, by seed and epoch
            callbacks=[EpochFollower(batches), record],
            verbose=verbose,
        )
    return record.log


def build_network(recipe: Recipe, spec: DatasetSpec) -> keras.Model:
    """The recipe's network in its precision, with the dataset's range and unit, not compiled."""
    usual = keras.config.dtype_policy()
    precision = choose_precision() if recipe.precision == "auto" else recipe.precision
    keras.config.set_dtype_policy(precision)
    try:
        return _build(recipe, spec)
    finally:
        keras.config.set_dtype_policy(usual)


def _build(recipe: Recipe, spec: DatasetSpec) -> keras.Model:
    head = {
        "min_depth": spec.min_depth,
        "max_depth": spec.max_depth,
        "scale": recipe.depth_scale,
        "unit": spec.unit,
        "dataset": spec.name,
    }
    size = (recipe.height, recipe.width)
    if recipe.network == "resnet34":
        return build_resnet34(*size, weights=recipe.weights, **head)
    variant = recipe.network.removeprefix("unet").removeprefix("_")
    return build_unet(*size, variant=variant or "default", **head)


def compile_network(
    model: keras.Model, recipe: Recipe, spec: DatasetSpec, steps: int, jit: bool | str = "auto"
) -> None:
    """Compiles with the recipe's loss, optimizer and schedule over `steps` batches of counts.

    `jit`: whether XLA compiles the step; "auto" leaves it to Keras, which says no on TensorFlow's
    CPU, where XLA was slower for every network, and yes on a GPU and on JAX.

    Errors: ValueError where depth is relative and the loss judges its scale.
    """
    relative, unit = spec.unit == "relative", depth_unit(spec)
    if recipe.loss == "depth":
        loss = DepthLoss(*recipe.loss_weights, max_depth=spec.max_depth, truth_unit=unit)
    else:
        loss = ScaleInvariantLoss(variance_focus=1.0 if relative else 0.85, truth_unit=unit)
    if relative and not loss.scale_invariant:
        raise ValueError(
            "Relative depth needs a loss that is blind to scale. Received: "
            f"loss={recipe.loss!r} for {spec.name!r}. Use loss='scale_invariant'."
        )
    kinds = ("silog",) if relative else ("delta1", "abs_rel")
    model.compile(
        optimizer=_make_optimizer(recipe, steps),
        loss=loss,
        metrics=[DepthMetric(kind, spec.min_depth, spec.max_depth, unit) for kind in kinds],
        jit_compile=jit,
    )
    # Else the first step makes its slots, for which TensorFlow traces that step twice.
    model.optimizer.build(model.trainable_variables)


class RunRecord(keras.callbacks.Callback):
    """Writes log.csv, best.keras and last.keras after each epoch, each file whole or not at all.

    Where epochs are short last.keras waits, so that it takes at most a tenth of the time; a run
    that is killed then repeats a few of them. The last epoch is always written. `done` epochs of
    an earlier start are read back from log.csv; `metric` picks the best epoch by its validation
    value.
    """

    def __init__(self, folder: Path, done: int, metric: str):
        super().__init__()
        self.folder = folder
        self.portable = None
        self.saved, self.save_seconds = -math.inf, 0.0
        self.column = f"val_{metric}"
        self.sign = -1 if metric == "silog" else 1
        path = folder / "log.csv"
        self.log = pd.read_csv(path).head(done) if done else pd.DataFrame()

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The loss must stay finite. Received: {logs['loss']} in epoch {epoch + 1}. Lower "
                f"`learning_rate`; {self.folder} holds the epochs before."
            )
        seconds = time.perf_counter() - self.started
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": epoch + 1, **logs, "learning_rate": rate, "seconds": round(seconds, 2)}
        earlier = [self.sign * value for value in self.log.get(self.column, [])]
        self.log = pd.concat([self.log, pd.DataFrame([row])], ignore_index=True)
        if self.sign * row[self.column] > max(earlier, default=float("-inf")):
            # Without the optimizer's slots, which are twice the weights.
            self.portable = self.portable or as_float32(self.model)
            self.portable.set_weights(self.model.get_weights())
            save_model(self.portable, self.folder / "best.keras")
        write_bytes(self.folder / "log.csv", self.log.to_csv(index=False).encode())
        # Last: its step count is what says how many epochs are done.
        start = time.perf_counter()
        if epoch + 1 == self.params["epochs"] or start > self.saved + 9 * self.save_seconds:
            save_model(self.model, self.folder / "last.keras")
            self.saved = time.perf_counter()
            self.save_seconds = self.saved - start


def save_model(model: keras.Model, path: Path) -> None:
    """Saves a model atomically. Errors: OSError that names the file, as when the disk is full."""
    try:
        with replace_file(path) as temporary:
            model.save(temporary)
    except (OSError, RuntimeError) as error:  # h5py raises RuntimeError where a flush fails
        raise OSError(
            f"A model must be written whole. Received for {path}: {error}. The file that was "
            "there before is untouched; make room on the disk and start the run again."
        ) from error


def _open_batches(
    recipe: Recipe, training: Pairs, validation: Pairs, cache_folder: Path | str | None
) -> tuple[DepthGenerator, DepthGenerator]:
    """Training's batches, shuffled and augmented, and validation's, as they are."""
    size = (recipe.height, recipe.width, recipe.batch_size)
    settings = {
        "cache_folder": cache_folder,
        "crop_border": recipe.crop_border,
        "counts": True,
    }
    augmentation = Augmentation(crop=recipe.crop) if recipe.augment else None
    return (
        DepthGenerator(
            training,
            *size,
            shuffle=True,
            augmentation=augmentation,
            seed=recipe.seed,
            **settings,
        ),
        DepthGenerator(validation, *size, **settings),
    )


def _make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    rate = recipe.learning_rate
    schedules = keras.optimizers.schedules
    if recipe.schedule == "linear":
        rate = schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
    elif recipe.schedule == "one_cycle":
        # The proportions of PyTorch's OneCycleLR as BTS and AdaBins use it.
        warmup = max(1, round(0.3 * steps))
        rate = schedules.CosineDecay(
            rate / 25, max(1, steps - warmup), 1e-3, warmup_target=rate, warmup_steps=warmup
        )
    if recipe.optimizer == "adam_amsgrad":
        return keras.optimizers.Adam(rate, amsgrad=True)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _restore(model: keras.Model, path: Path) -> None:
    """Takes over weights and the optimizer's state; its settings come from the recipe.

    A saved optimizer forgets which weights do not decay.
    """
    held = keras.models.load_model(path)
    model.set_weights(held.get_weights())
    for own, value in zip(model.optimizer.variables, held.optimizer.variables, strict=True):
        own.assign(value)


def _describe(recipe: Recipe, training: Pairs, validation: Pairs) -> dict:
    """What decides the run's result, and what it was made with."""
    return {
        "recipe": recipe.to_dict(),
        "dataset": training.spec.name,
        "split": {"training": training.digest(), "validation": validation.digest()},
        "counts": {"training": len(training), "validation": len(validation)},
        "versions": {
            "depthlib": __version__,
            "commit": _git_commit(),
            "python": sys.version.split()[0],
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
    }


def _claim(folder: Path, run: dict) -> None:
    """Writes run.json, or checks that the one there is of the same recipe and split."""
    path = folder / "run.json"
    if not path.exists():
        write_bytes(path, json.dumps(run, indent=2).encode())
        return
    held = json.loads(path.read_text())
    differing = [key for key in ("recipe", "dataset", "split") if held.get(key) != run[key]]
    if differing:
        raise ValueError(
            f"A run folder must hold one run. Received: {folder}, whose run differs in "
            f"{', '.join(differing)}. Choose another folder, or delete this one."
        )


def _git_commit() -> str:
    """The commit of the code, "+" behind it where files were changed; "" outside a checkout."""
    answer = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip()
