"""A run's folder: what it was made with, its log, and the networks so far.

It holds run.json (recipe, versions, split), log.csv (a row an epoch), last.keras (with the
optimizer: what a run that was stopped goes on from), best.keras (for prediction) and, where asked
for, each epoch's network. A teacher stands in last.keras alone.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import pandas as pd

from depthlib import __version__
from depthlib.data.pairs import Pairs
from depthlib.files import write_bytes, write_table
from depthlib.networks.distillation import take_student
from depthlib.networks.layers import as_float32
from depthlib.networks.saving import export_half, save_model
from depthlib.training.recipes import Recipe


def describe_run(recipe: Recipe, training: Sequence[Pairs], validation: Pairs) -> dict:
    """What decides the run's result, and what it was made with."""
    return {
        "recipe": recipe.to_dict(),
        "dataset": "+".join(pairs.spec.name for pairs in training),
        "split": {
            "training": "+".join(pairs.digest() for pairs in training),
            "validation": validation.digest(),
        },
        "counts": {"training": sum(map(len, training)), "validation": len(validation)},
        "versions": {
            "depthlib": __version__,
            "commit": _git_commit(),
            "python": sys.version.split()[0],
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
    }


def claim_folder(folder: Path, run: dict) -> None:
    """Writes run.json, or checks that the one there is of the same recipe and split."""
    path = folder / "run.json"
    if not path.exists():
        write_bytes(path, json.dumps(run, indent=2).encode())
        return
    held = json.loads(path.read_text())
    held["recipe"] = Recipe().to_dict() | held["recipe"]  # fields that have come since
    differing = [key for key in ("recipe", "dataset", "split") if held.get(key) != run[key]]
    if differing:
        raise ValueError(
            f"A run folder must hold one run. Received: {folder}, whose run differs in "
            f"{', '.join(differing)}. Choose another folder, or delete this one."
        )


class RunRecord(keras.callbacks.Callback):
    """Writes log.csv, best.keras and last.keras after each epoch, each file whole or not at all.

    Where epochs are short last.keras waits, so that it takes at most a tenth of the time; a run
    that is killed then repeats a few of them. The last epoch is always written. `done` epochs of
    an earlier start are read back from log.csv; `metric` picks the best epoch by its validation
    value. Without validation the best is the last. `keep` writes each epoch's network too, as
    epochs/001.keras and so on, its weights as float16.
    """

    def __init__(self, folder: Path, done: int, metric: str, keep: bool = False):
        super().__init__()
        self.folder = folder
        self.keep = keep
        self.portable = None
        self.validated = None
        self.saved, self.save_seconds = -math.inf, 0.0
        self.column = f"val_{metric}"
        self.sign = -1 if metric == "silog" else 1
        path = folder / "log.csv"
        self.log = pd.read_csv(path).head(done) if done else pd.DataFrame()

    def set_model(self, model):
        super().set_model(model)
        self.network = take_student(model)

    def on_test_end(self, logs=None):
        # Where an average is kept, that: SwapEMAWeights comes later and has not swapped it back.
        self.validated = self.network.get_weights()

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
        if self.sign * row.get(self.column, math.nan) > max(earlier, default=-math.inf):
            self._save(self.validated, self.folder / "best.keras")
        if self.keep:
            path = self.folder / f"epochs/{epoch + 1:03}.keras"
            self._save(self.validated or self.network.get_weights(), path)
            export_half(path, path)
        write_table(self.folder / "log.csv", self.log)
        # Last: its step count is what says how many epochs are done.
        start = time.perf_counter()
        ends = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if ends or start > self.saved + 9 * self.save_seconds:
            save_model(self.model, self.folder / "last.keras")
            self.saved = time.perf_counter()
            self.save_seconds = self.saved - start

    def on_train_end(self, logs=None):
        if self.column not in self.log:
            self._save(self.network.get_weights(), self.folder / "best.keras")

    def _save(self, weights: list, path: Path) -> None:
        # Without the optimizer's slots, which are twice the weights.
        self.portable = self.portable or as_float32(self.network)
        self.portable.set_weights(weights)
        save_model(self.portable, path)


def _git_commit() -> str:
    """The commit of the code, "+" behind it where files were changed; "" where git has none."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        answer = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()
