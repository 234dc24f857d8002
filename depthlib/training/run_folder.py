"""A run's folder: what it was made with, its log, and the networks so far.

It holds run.json (recipe, versions, split), last.keras (with the optimizer: what a run that was
stopped goes on from), log.csv (a row an epoch), best.keras (for prediction) and, where asked for,
each epoch's network. A teacher stands in last.keras alone. How far a run is, the steps that
last.keras has counted say and nothing else.
"""

import hashlib
import json
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from depthlib import __version__, files
from depthlib.data.arrays import file_of
from depthlib.data.cache import USUAL, describe_pixels
from depthlib.data.pairs import Pairs
from depthlib.files import (
    are_noted,
    check_regular,
    format_table,
    name_errors,
    note_files,
    remove_temporaries,
    write_bytes,
)
from depthlib.networks.distillation import take_student
from depthlib.networks.layers import as_float32
from depthlib.networks.saving import check_claims, halve_file, save_model
from depthlib.training.devices import alone, find_place, lend_files, tell
from depthlib.training.recipes import Recipe

# What a run writes, in this order.
RUN, LAST, BEST, LOG, EPOCHS = "run.json", "last.keras", "best.keras", "log.csv", "epochs"
HISTORY = "history.png"  # what is drawn of it
LOCK = "run.lock"
SIGNS = {"delta1": 1, "silog": -1}  # what may say which epoch is the best, and whether high is good


def describe_run(recipe: Recipe, training: Sequence[Pairs], validation: Pairs) -> dict:
    """What decides the run's result, and what it was made with."""
    return {
        "recipe": recipe.to_dict(),
        "dataset": "+".join(pairs.spec.name for pairs in training),
        "stored": [_describe_stored(pairs) for pairs in training],
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


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keeps `folder` to one process, and clears it of what a killed one left half written.

    Errors: those of `files.hold_folder`.
    """
    with files.hold_folder(folder, LOCK):
        remove_temporaries(folder, (RUN, LAST, BEST, LOG))
        remove_temporaries(folder / EPOCHS, ("*.keras",))
        yield


@contextmanager
def share_folder(folder: Path) -> Iterator[Path]:
    """`hold_folder` for the first of several processes; the others get a copy of what it holds.

    A copy is gone after the block. Errors: those of `hold_folder`.
    """
    with hold_folder(folder) if find_place().is_first else nullcontext():
        with lend_files(folder, (RUN, LAST, BEST, LOG)) as lent:
            yield lent


def check_alike(run: dict) -> None:
    """Accepts what `describe_run` says where it is the same in all processes; else ValueError."""
    text = json.dumps(run).encode()
    there, here = (_flatten(json.loads(each)) for each in (tell(text), text))
    differing = [key for key in here if there[key] != here[key]]
    if differing:
        values = "; ".join(f"{key}: {there[key]!r} there, {here[key]!r} here" for key in differing)
        raise ValueError(
            "All processes must train the same recipe on the same pairs. Received: what differs "
            f"from process 0 in {values}. Give each the same command and the same CSV."
        )


def check_folder(folder: Path, run: dict) -> None:
    """Accepts a folder without a run, or with the run that `run` describes: `describe_run`.

    Errors: ValueError for another run, which names each field that differs, a damaged run.json, or
    a folder that lacks what a run goes on from.
    """
    held = [name for name in (RUN, LAST, BEST, LOG, EPOCHS, HISTORY) if (folder / name).exists()]
    missing = [name for name in (RUN, LAST) if name not in held]
    if missing and held not in ([], [RUN]):
        raise ValueError(
            f"A run goes on from {RUN} and {LAST}. Received: {folder}, which holds "
            f"{', '.join(held)} but no {' and no '.join(missing)}. Put back what is missing, or "
            f"{_begin_anew(folder)}"
        )
    if not held:
        return
    there, now = _read_run(folder / RUN), _flatten(run)
    # How depth is stored earlier versions did not write down.
    differing = [key for key, value in now.items() if there.get(key, value) != value]
    if not differing:
        return
    values = "; ".join(f"{key}: {there.get(key)!r} there, {now[key]!r} now" for key in differing)
    remedy = "Choose another folder, or delete this one."
    more = now["epochs"] - there["epochs"]
    if differing == ["epochs"] and more > 0 and BEST in held:
        remedy = (
            "Its schedule ends with its last epoch, at a rate of zero. A new run goes on from its "
            f"network: depthlib train RECIPE weights={folder / BEST} epochs={more} --data CSV "
            "--run ANOTHER_FOLDER"
        )
    raise ValueError(
        f"A run folder must hold one run. Received: {folder}, whose run differs in {values}. "
        f"{remedy}"
    )


def check_files(folder: Path, sources: Sequence[Pairs]) -> dict[str, str]:
    """Accepts the files of all pairs where they are as when the folder's run began.

    Gives what a run that begins is to hold of them, by column: `note_files`. Copies, whose times
    are others, are the same. Those of a packed dataset, but for confidence, have their checksums
    in it. Errors: ValueError that names the columns whose files have changed.
    """
    there = _read_run(folder / RUN) if (folder / LAST).exists() else None
    files: dict[str, dict[Path, None]] = {}
    for pairs in sources:
        for name in pairs.files:
            if not (pairs.is_packed and name in ("rgb", "depth")):
                found = (file_of(pairs.root / path) for path in pairs.table[name] if path)
                files.setdefault(name, {}).update(dict.fromkeys(found))
    if there is None:
        return {name: note_files(*paths) for name, paths in files.items()}
    notes = {name: there.get(f"{name} files") for name in files}  # earlier versions noted none
    changed = [name for name, note in notes.items() if note and not are_noted(note, *files[name])]
    if changed:
        paths = [path for name in changed for path in files[name]]
        gone = next((f"{path} is gone" for path in paths if not path.is_file()), "")
        newest = gone or f"the newest is {max(paths, key=lambda path: path.stat().st_mtime_ns)}"
        raise ValueError(
            f"A run must go on with the files that it began with. Received: {folder}, since whose "
            f"beginning files of the column {' and '.join(changed)} have changed: {newest}. Put "
            f"the old ones back, or {_begin_anew(folder)}"
        )
    return {}


def claim_folder(folder: Path, run: dict, model: keras.Model) -> None:
    """Writes run.json, and last.keras before its first step, so that no log is without one."""
    write_bytes(folder / RUN, json.dumps(run, indent=2).encode())
    with alone():
        save_model(model, folder / LAST)


def read_last(folder: Path) -> keras.Model | None:
    """The network of last.keras with its optimizer; None where no run has begun.

    Errors: ValueError where the file is damaged, or no run's.
    """
    path = folder / LAST
    if not path.exists():
        return None
    rule = f"A run goes on from {LAST} as it was written."
    with name_errors(path, rule, f"Put it back, or {_begin_anew(folder)}"):
        check_regular(path)
        check_claims(path)
        with warnings.catch_warnings():
            # Keras would go on with a new optimizer where the file has none of these variables.
            warnings.filterwarnings("error", "Skipping variable loading for optimizer")
            model = keras.models.load_model(path)
        if not model.compiled:
            raise ValueError("It has no optimizer")
    return model


def count_epochs(folder: Path, model: keras.Model, steps: int, epochs: int) -> int:
    """How many of `epochs` are done by the steps that `model` counts, `steps` an epoch.

    Errors: ValueError where these are no whole epochs, or more than there are.
    """
    counted = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    if counted % steps or counted > steps * epochs:
        raise ValueError(
            f"{LAST} must be of this run, {epochs} epochs of {steps} steps. Received: "
            f"{folder / LAST} after {counted} steps. Put it back, or {_begin_anew(folder)}"
        )
    return counted // steps


def read_log(folder: Path, done: int, column: str | None = None) -> pd.DataFrame:
    """The log of the `done` epochs, a row each; what comes after them a killed process left.

    Errors: ValueError where a row is missing, or `column` holds no numbers, or the file is no log.
    """
    if not done:
        return pd.DataFrame()
    path = folder / LOG
    try:
        check_regular(path)
        log = pd.read_csv(path, nrows=done)
        numbers = log[["epoch", "loss", "seconds"]].astype(float)
        if column:  # may be empty where a network gave no number
            log[column] = log[column].astype(float)
    except (FileNotFoundError, ValueError, KeyError) as error:
        held = str(error).strip()
    else:
        epochs = numbers["epoch"].tolist()
        if epochs == list(range(1, done + 1)) and numbers.notna().all(axis=None):
            return log
        held = f"epochs {', '.join(f'{epoch:g}' for epoch in epochs) or 'none'}"
    raise ValueError(
        f"{LOG} must have a row for each of the {done} epochs that {LAST} has done. "
        f"Received: {path}: {held}. Put the rows back, or {_begin_anew(folder)}"
    )


def describe_best(log: pd.DataFrame) -> str:
    """Which epoch best.keras is of, and what was validated of it; `log` as `train` gives it."""
    metric = next((name for name in SIGNS if f"val_{name}" in log), None)
    if metric is None:
        return f"epoch {len(log)} of {len(log)}, the last one, as nothing was validated"
    best = log.iloc[(SIGNS[metric] * log[f"val_{metric}"]).argmax()]
    told = [
        f"{name} {best[column]:{form}}"
        for name, column, form in (
            ("δ1", "val_delta1", ".3f"),
            ("AbsRel", "val_abs_rel", ".3f"),
            ("SILog", "val_silog", ".1f"),
        )
        if column in log
    ]
    return f"epoch {best['epoch']:.0f} of {len(log)}, with validation {', '.join(told)}"


class RunRecord(keras.callbacks.Callback):
    """Writes log.csv, best.keras and last.keras after each epoch, each file whole or not at all.

    Where epochs are short last.keras waits, so that it takes at most a tenth of the time; a run
    that is killed then repeats a few of them. The last epoch is always written. `done` epochs of
    an earlier start are read back from log.csv; `metric` picks the best epoch by its validation
    value. Without validation (None) the best is the last. `keep` writes each epoch's network too,
    as epochs/001.keras and so on, its weights as float16. Of several processes the first one alone
    writes. Errors: those of `read_log`; ValueError where the best of the `done` epochs is gone.
    """

    def __init__(self, folder: Path, done: int, metric: str | None, keep: bool = False) -> None:
        super().__init__()
        self.folder = folder
        self.keep = keep
        self.writes = find_place().is_first
        self.portable: keras.Model | None = None
        self.validated: list = []
        self.saved, self.save_seconds = -math.inf, 0.0
        self.column = metric and f"val_{metric}"
        self.sign = SIGNS[metric] if metric else 1
        self.log = read_log(folder, done, self.column)
        if self._list_scores() and not (folder / BEST).exists():
            raise ValueError(
                f"{BEST} must be the best network of the {done} epochs so far. Received: {folder} "
                f"without it. Put it back, or {_begin_anew(folder)}"
            )

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        student = take_student(model)
        # Of the same layers, but without the optimizer, whose slots are twice the weights.
        self.network = keras.Model(student.inputs[0], student.outputs[0], name=student.name)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        # Where an average is kept, that: SwapEMAWeights comes later and has not swapped it back.
        self.validated = self.network.get_weights()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The loss must stay finite. Received: {logs['loss']} in epoch {epoch + 1}. Lower "
                f"`learning_rate`; {self.folder} holds the epochs before."
            )
        if logs["loss"] == 0:
            raise ValueError(
                f"The loss must not be 0. Received: 0 in epoch {epoch + 1}: no pixel has a weight. "
                "Confidence maps are 255 where depth is sure, and 0 leaves a pixel out."
            )
        seconds = time.perf_counter() - self.started
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": epoch + 1, **logs, "learning_rate": rate, "seconds": round(seconds, 2)}
        earlier = max(self._list_scores(), default=-math.inf)
        self.log = pd.concat([self.log, pd.DataFrame([row])], ignore_index=True)
        if not self.writes:
            return
        if self.column and self.sign * row[self.column] > earlier:
            self._save(self.validated, self.folder / BEST)
        if self.keep:
            path = self.folder / EPOCHS / f"{epoch + 1:03}.keras"
            self._save(self.validated or self.network.get_weights(), path)
            halve_file(path)
        write_bytes(self.folder / LOG, format_table(self.log, digits=None))  # a run goes on from it
        # Last: its step count is what says how many epochs are done.
        start = time.perf_counter()
        ends = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if ends or start > self.saved + 9 * self.save_seconds:
            with alone():
                save_model(self.model, self.folder / LAST)
            self.saved = time.perf_counter()
            self.save_seconds = self.saved - start

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.column is None and self.writes:
            self._save(self.network.get_weights(), self.folder / BEST)

    def _list_scores(self) -> list[float]:
        """What was validated so far, of each epoch that gave a number: the highest is the best."""
        if self.column is None or self.log.empty:
            return []
        return [self.sign * value for value in self.log[self.column].dropna()]

    def copy_network(self, weights: list) -> keras.Model:
        """The network with these weights, in float32, on one device: the same object each time."""
        with alone():
            self.portable = self.portable or as_float32(self.network)
            self.portable.set_weights(weights)
        return self.portable

    def _save(self, weights: list, path: Path) -> None:
        with alone():
            save_model(self.copy_network(weights), path)


def _begin_anew(folder: Path) -> str:
    """The way on where a folder's run cannot go on."""
    from_best = f" weights={folder / BEST} starts it from this one's network."
    return "begin a new run in another folder." + from_best * (folder / BEST).exists()


def _read_run(path: Path) -> dict:
    """What `_flatten` gives of a run.json; a field that has come since has its default."""
    check_regular(path)
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        unknown = sorted(run["recipe"].keys() - Recipe().to_dict().keys())
        known = {name: run["recipe"][name] for name in run["recipe"].keys() - unknown}
        held = {} if unknown else _flatten({**run, "recipe": Recipe(**known).to_dict()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path.name} must be as the run wrote it. Received: {path}: {error!r}. Put it back, "
            f"or {_begin_anew(path.parent)}"
        ) from error
    if unknown:
        raise ValueError(
            f"A run's recipe must have the fields that depthlib {__version__} knows. Received: "
            f"{', '.join(unknown)} in {path}, made with {run.get('versions')}. Go on with that."
        )
    return held


def _flatten(run: dict) -> dict:
    """What decides a run's result, field by field; pairs by the first digits of their digest."""
    digests = {
        f"{side} pairs": "+".join(digest[:12] for digest in digests.split("+"))
        for side, digests in run["split"].items()
    }
    stored = [{**USUAL, **source} for source in run.get("stored", [])]
    fields = {
        field: "+".join(json.dumps(source.get(field)) for source in stored)
        for field in dict.fromkeys(field for source in stored for field in source)
    }
    files = {f"{name} files": str(note) for name, note in run.get("files", {}).items()}
    # The range stands among the fields of what is stored.
    recipe = {name: value for name, value in run["recipe"].items() if name != "max_depth"}
    return {**recipe, "dataset": run["dataset"], **fields, **digests, **files}


def _describe_stored(pairs: Pairs) -> dict[str, Any]:
    """What makes metres of a dataset's files, and of which cameras they are."""
    spec = pairs.spec
    view: dict[str, Any] = {"focal": spec.focal and round(spec.focal, 6), "horizon": spec.horizon}
    view |= {"aspect": spec.aspect and round(spec.aspect, 6), "empty_is_far": spec.empty_is_far}
    view |= {"baseline": spec.baseline, "centre": spec.centre}  # of the photos' other views
    if "focal_share" in pairs.table:  # of each photo: see `settle_focal`
        shares = pairs.table["focal_share"].round(6).to_list()
        view["focal_lengths"] = hashlib.sha256(json.dumps(shares).encode()).hexdigest()[:12]
    return {key: value for key, value in describe_pixels(spec).items() if key != "name"} | view


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
