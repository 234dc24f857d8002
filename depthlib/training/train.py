"""One training run: a recipe, pairs and a folder in; a trained network and its log out.

Also a command: python -m depthlib.training --help
"""

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from depthlib.data.augment import Augmentation
from depthlib.data.cache import metres_per_count
from depthlib.data.images import read_rgb, read_size
from depthlib.data.mixed_pairs import cut_to_view, is_shown_whole, settle_focal, show_whole
from depthlib.data.pairs import SPLITTERS, Pairs
from depthlib.data.scenes import KNOWN
from depthlib.data.specs import DatasetSpec
from depthlib.data.splits import warn_of_near_copies
from depthlib.data.views import VIEWS
from depthlib.networks.distillation import add_teacher
from depthlib.networks.keras_metrics import DepthMetric
from depthlib.networks.losses import (
    ConsistentLoss,
    DepthLoss,
    NormalisedDepthLoss,
    ScaleInvariantLoss,
)
from depthlib.networks.photometric import add_views
from depthlib.networks.saving import load_model
from depthlib.training.build import build_network
from depthlib.training.devices import cut_padding, end_together, find_place, tell
from depthlib.training.generator import DepthGenerator, EpochFollower
from depthlib.training.optimizers import make_optimizer
from depthlib.training.progress import HistoryFigure
from depthlib.training.recipes import Recipe
from depthlib.training.run_folder import (
    BEST,
    RunRecord,
    check_alike,
    check_files,
    check_folder,
    claim_folder,
    count_epochs,
    describe_run,
    read_last,
    share_folder,
)
from depthlib.weather import EFFECTS

_LOOKED_AT = 64  # photos, at most, to tell whether they have one shape
_ONE_SHAPE = 1.03  # times another ratio of sides: KITTI's frames differ by less


@end_together()
def train(
    recipe: Recipe,
    pairs: Pairs,
    run_folder: Path | str,
    *,
    extra: Sequence[Pairs] = (),
    cache_folder: Path | str | None = None,
    by_content: bool = False,
    minutes: float = math.inf,
    keep_epochs: bool = False,
    figure: bool = True,
    tensorboard: bool = False,
    verbose: int | str = "auto",
) -> pd.DataFrame:
    """Trains as `recipe` says and gives the log, a row an epoch; the networks are in `run_folder`.

    A run that was stopped, even killed, goes on after its last whole epoch; one that is finished
    gives its log at once. `extra` pairs train too, but for scenes that validate; they may begin
    nearer than `pairs`, but reach no further. `cache_folder` keeps decoded images (`by_content`:
    see `open_cache`), `keep_epochs` each epoch's network (epochs/001.keras). `figure` shows how the
    run goes on: `HistoryFigure`;
    `tensorboard` writes logs for TensorBoard. It ends early where another epoch would go past
    `minutes`. `verbose` as in Keras; 0 shows no figure either. After `devices.use_devices` each
    process calls it alike; the first one alone writes, the others' `run_folder` stays as it is.
    Whatever is wrong with recipe, data, teacher or weights is said before the folder is written to.
    Errors: ValueError where the folder holds another run or a damaged one, or `extra` or the loss
    does not fit; BlockingIOError where another process trains in the folder; ModuleNotFoundError
    where TensorBoard is not installed; what `cache`, `pairs` and `load_model` raise.
    """
    start, run_folder, place = time.monotonic(), Path(run_folder), find_place()
    if not minutes >= 0:
        raise ValueError(f"`minutes` must be a number, at least 0. Received: minutes={minutes}.")
    pairs, *extra = (_reach(settle_focal(each), recipe.max_depth) for each in (pairs, *extra))
    tensorboard, figure = tensorboard and place.is_first, figure and place.is_first
    logs = [_open_tensorboard(run_folder)] if tensorboard else []
    training, validation = _split(recipe, pairs, extra)
    run = describe_run(recipe, training, validation)
    spec = _with_aspect(_join(training), training[0])
    _warn_of_shapes(training)
    _warn_of_lenses(training)
    views = find_views(recipe, training)
    with share_folder(run_folder) as folder:
        check_alike(run)
        check_folder(folder, run)
        if place.is_first:
            run["files"] = check_files(folder, [*training, validation])
        keras.utils.set_random_seed(recipe.seed)  # of weights that are then read, all have the same
        held = read_last(folder)
        # Before the photos, which may take hours to decode.
        model = held or _begin(recipe, spec, views, verbose=bool(verbose))
        batches, validation_batches = open_batches(
            recipe, training, validation, cache_folder, by_content
        )
        if held is None:
            compile_network(model, recipe, spec, recipe.epochs * len(batches))
            claim_folder(folder, run, model)
        cut_padding(model, batches.sizes, validation_batches and validation_batches.sizes)
        done = count_epochs(folder, model, len(batches), recipe.epochs)
        metric = _choose_metrics(recipe, pairs.spec)[0] if len(validation) else None
        record = RunRecord(folder, done, metric, keep_epochs)
        shown = []
        if figure and verbose:
            shown = [HistoryFigure(record, validation_batches or batches)]
        # A run without validation that is killed at its very end has only its best.keras to write.
        if done < recipe.epochs or not (folder / BEST).exists():
            averaging = [keras.callbacks.SwapEMAWeights()] if recipe.average else []
            paced = [EpochFollower(batches), TimeLimit(start, minutes)]
            model.fit(
                batches,
                validation_data=validation_batches,
                initial_epoch=done,
                epochs=recipe.epochs,
                shuffle=False,  # the generator shuffles, by seed and epoch
                callbacks=[*paced, record, *shown, *averaging, *logs],
                verbose=verbose if place.is_first else 0,
            )
        elif shown:
            shown[0].show()
    return record.log


class TimeLimit(keras.callbacks.Callback):
    """Ends `fit` after the epoch whose like would go past `minutes` after `start` (monotonic)."""

    def __init__(self, start: float, minutes: float):
        super().__init__()
        self.end = start + 60 * minutes

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.begin = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now = time.monotonic()
        over = now + (now - self.begin) > self.end
        self.model.stop_training |= bool(tell(bytes([over]))[0])  # by the clock of process 0


def _make_loss(recipe: Recipe, spec: DatasetSpec) -> keras.losses.Loss:
    relative, unit = spec.is_relative, metres_per_count(spec)
    if recipe.loss == "depth":
        kind = NormalisedDepthLoss if recipe.normalise else DepthLoss
        loss = kind(*recipe.loss_weights, max_depth=spec.max_depth, truth_unit=unit)
    else:
        loss = ScaleInvariantLoss(variance_focus=1.0 if relative else 0.85, truth_unit=unit)
    if relative and not loss.scale_invariant:
        raise ValueError(
            "Relative depth needs a loss that is blind to scale. Received: "
            f"loss={recipe.loss!r} for {spec.name!r}. Use loss='scale_invariant'."
        )
    return ConsistentLoss(loss, recipe.consistency) if recipe.consistency else loss


def _choose_metrics(recipe: Recipe, spec: DatasetSpec) -> tuple[str, ...]:
    """What is measured after each epoch; the first one says which was the best."""
    if not spec.has_depth:
        return ()
    relative = spec.is_relative or recipe.normalise
    return ("silog",) if relative else ("delta1", "abs_rel")


def _split(recipe: Recipe, pairs: Pairs, extra: Sequence[Pairs]) -> tuple[list[Pairs], Pairs]:
    """What trains, and what validates: no scene of it trains, unless the recipe splits by frame.

    A warning counts the photos that validate and are in `extra` too, where scenes do not tell it.
    """
    if recipe.validation and not pairs.spec.has_depth:
        raise ValueError(
            "Photos without depth cannot validate. Received: "
            f"validation={recipe.validation:g} for {pairs.spec.name!r}. Use validation=0."
        )
    training, validation = SPLITTERS[recipe.split](
        pairs, recipe.seed, recipe.validation, recipe.counts, recipe.scenes
    )
    sources = [training]
    for more in extra:
        # Names that nobody told, or each frame's own, say nothing of what another CSV shows.
        are_told = recipe.split == "scene" and validation.scenes == more.scenes == KNOWN
        others = ~more.table["scene"].isin(validation.table["scene"]) | (not are_told)
        if not others.any():
            raise ValueError(
                "Extra photos must show scenes that do not validate. Received: those of "
                f"{more.root} alone, {', '.join(more.table['scene'].unique()[:3])}. Use "
                "validation=0, or leave them out."
            )
        sources.append(more.select(np.flatnonzero(others)))
        # Of what is packed nothing can be compared: names must do that both sides have.
        is_packed = more.is_packed or validation.is_packed
        if not (are_told and is_packed and more.table["scene"].isin(pairs.table["scene"]).any()):
            warn_of_near_copies(sources[-1], validation)
    if recipe.whole:
        # Views do not explain what is mirrored.
        taller = [
            (more, show_whole(more.spec, pairs.spec, recipe.crop_border))
            for more in sources
            if not more.views
        ]
        whole = [replace(more, spec=spec) for more, spec in taller if spec]
        if not whole:
            raise ValueError(
                "`whole` needs extra photos of roads, without other views, that are taller than "
                "the main data's: both tell `horizon` and `aspect`. Received: whole=True for "
                f"{', '.join(more.spec.name for more in sources)}. Give such as extra data, or use "
                "whole=False."
            )
        sources += whole
    for source in sources:
        _make_loss(recipe, source.spec)  # refuses before anything is decoded
    _join(sources)
    return sources, validation


def _join(sources: Sequence[Pairs]) -> DatasetSpec:
    """The first source's spec with the range that holds the depth of all.

    Errors: ValueError where another one reaches further, or is in metres and the first is not: its
    far pixels would be lost.
    """
    first, *others = (source.spec for source in sources)
    if first.is_relative and (known := next((s for s in others if s.unit == "metre"), None)):
        raise ValueError(
            "The main data must be in metres where `extra` is. Received: "
            f"{first.name}, which is known up to a scale, and {known.name} in metres. Make "
            f"{known.name} the main data and {first.name} extra."
        )
    metric = [spec for spec in others if spec.unit == first.unit == "metre"]
    for spec in metric:
        if spec.max_depth > first.max_depth:
            raise ValueError(
                "The main data must reach at least as far as `extra`. Received: "
                f"{first.max_depth:g} m of {first.name} and {spec.max_depth:g} m of {spec.name}. "
                f"Make {spec.name} the main data and {first.name} extra."
            )
    return replace(first, min_depth=min(spec.min_depth for spec in (first, *metric)))


def _reach(pairs: Pairs, max_depth: float | None) -> Pairs:
    """The pairs with depth up to `max_depth` metres; None, or known up to a scale: as they are.

    Errors: ValueError where that leaves no depth.
    """
    if max_depth is None or pairs.spec.is_relative:
        return pairs
    if pairs.is_packed and max_depth != pairs.spec.max_depth:
        raise ValueError(
            "A packed dataset keeps the range that it was packed in. Received: "
            f"max_depth={max_depth} for {pairs.root}, of {pairs.spec.max_depth:g} m. Say the other "
            "in the dataset.json of the photos that it was packed from, not in its own, and pack "
            "them into another folder."
        )
    if max_depth <= pairs.spec.min_depth:
        raise ValueError(
            f"`max_depth` must be above the nearest depth. Received: max_depth={max_depth} for "
            f"{pairs.spec.name!r}, which begins at {pairs.spec.min_depth:g} m."
        )
    return replace(pairs, spec=replace(pairs.spec, max_depth=max_depth))


def _with_aspect(spec: DatasetSpec, pairs: Pairs) -> DatasetSpec:
    """The spec with the shape of its photos, which the network's file says: the first one's."""
    if spec.aspect is not None:
        return spec
    height, width = read_rgb(pairs.rgb_path(0)).shape[:2]
    return replace(spec, aspect=width / height)


def _warn_of_shapes(sources: Sequence[Pairs]) -> None:
    """Warns where photos have several shapes: all are squeezed to one, in which metres differ.

    Those of roads are cut to the first ones' view, or shown whole.
    """
    first = sources[0]
    squeezed = [
        one for one in sources if not one.is_packed and not cut_to_view(one.spec, first.spec)
    ]
    seen = [one.spread(_LOOKED_AT) for one in squeezed if not is_shown_whole(one.spec)]
    photos = [one.rgb_path(row) for one in seen for row in range(len(one))]
    sizes = [read_size(photo) for photo in photos]
    shapes = [width / height for height, width in sizes]
    if shapes and max(shapes) > _ONE_SHAPE * min(shapes):
        ends = (int(np.argmin(shapes)), int(np.argmax(shapes)))
        told = " and ".join(f"{photos[e]} ({sizes[e][0]}x{sizes[e][1]})" for e in ends)
        warnings.warn(
            f"Photos have several shapes, such as {told}: training squeezes them to one, so that "
            "their metres differ. Cut them, and their depth, to one shape.",
            stacklevel=3,
        )


def _warn_of_lenses(sources: Sequence[Pairs]) -> None:
    """Warns where the lens of some sources is known, and of others not, who count as alike then."""
    metric = [one for one in sources if one.spec.unit == "metre"]
    unknown = [one for one in metric if one.spec.focal is None]
    if metric and unknown and len(unknown) < len(metric):
        warnings.warn(
            f"The focal length of {', '.join(sorted({str(one.root) for one in unknown}))} is not "
            "known, where that of others is: metres are learned as if one lens had taken all. Say "
            "it in their dataset.json.",
            stacklevel=3,
        )


def _open_tensorboard(run_folder: Path) -> keras.callbacks.Callback:
    """Writes logs for TensorBoard, which is a package of its own; ModuleNotFoundError without."""
    if find_spec("tensorboard") is None or find_spec("tensorflow") is None:
        raise ModuleNotFoundError(
            "Logs for TensorBoard need its package and TensorFlow. Install them: "
            "pip install -e .[train,tensorboard]"
        )
    return keras.callbacks.TensorBoard(run_folder / "tensorboard", write_graph=False)


def find_views(recipe: Recipe, training: Sequence[Pairs]) -> tuple[str, ...]:
    """Which other views of its photos a run learns from.

    Errors: ValueError beside a teacher, and where nothing else teaches and they are left out.
    """
    if not (recipe.photometric or recipe.teacher or any(p.spec.has_depth for p in training)):
        raise ValueError(
            "Photos without depth teach by their other views alone. Received: photometric=0 for "
            f"{training[0].spec.name!r}. Use photometric=1."
        )
    views = tuple(n for n in VIEWS if any(n in pairs.views for pairs in training))
    if not views or not recipe.photometric:
        return ()
    if recipe.teacher:
        raise ValueError(
            "A network learns from a teacher or from other views. Received: "
            f"teacher={recipe.teacher!r} and {', '.join(views)}. Use teacher=None, with photos "
            "that `depthlib label` labelled as extra data; or photometric=0."
        )
    return views


def _begin(
    recipe: Recipe, spec: DatasetSpec, views: Sequence[str] = (), verbose: bool = False
) -> keras.Model:
    """The network before its first step, beside its teacher or its views, not compiled."""
    keras.utils.set_random_seed(recipe.seed)
    model = build_network(recipe, spec, verbose)
    if views:
        return add_views(model, views, recipe.photometric)
    return model if recipe.teacher is None else add_teacher(model, load_model(recipe.teacher))


def compile_network(
    model: keras.Model, recipe: Recipe, spec: DatasetSpec, steps: int, jit: bool | str = "auto"
) -> None:
    """Compiles with the recipe's loss, optimizer and schedule over `steps` batches of counts.

    `jit`: whether XLA compiles the step; "auto" leaves it to Keras, which says no on TensorFlow's
    CPU, where XLA was slower for every network measured, and yes on a GPU and on JAX.

    Errors: ValueError where depth is relative and the loss judges its scale.
    """
    unit = metres_per_count(spec)
    kinds = _choose_metrics(recipe, spec)
    model.compile(
        optimizer=make_optimizer(recipe, steps),
        loss=_make_loss(recipe, spec),
        metrics=[DepthMetric(kind, spec.min_depth, spec.max_depth, unit) for kind in kinds],
        jit_compile=jit,
    )
    # Else the first step makes its slots, for which TensorFlow traces that step twice.
    model.optimizer.build(model.trainable_variables)


def open_batches(
    recipe: Recipe,
    training: list[Pairs],
    validation: Pairs,
    cache_folder: Path | str | None,
    by_content: bool = False,
) -> tuple[DepthGenerator, DepthGenerator | None]:
    """Training's batches, shuffled and augmented as `recipe` says, and validation's, if any.

    Depth is in counts; `cache_folder` and `by_content` as in `train`. Of several processes each
    gets its part of each batch. Errors: what `DepthGenerator` raises.
    """
    size, place = (recipe.height, recipe.width, recipe.batch_size), find_place()
    settings: dict[str, Any] = {
        "views": find_views(recipe, training),
        "shard": place.shard,
        "devices": place.devices,
        "cache_folder": cache_folder,
        "by_content": by_content,
        "crop_border": recipe.crop_border,
        "as_counts": True,
    }
    weights = [1.0, *(len(training) - 1) * [recipe.extra_weight]]
    augmentation, view = None, training[0].spec.view(recipe.crop_border)
    focal, aspect = view["focal"], view["aspect"]
    if recipe.augment:
        augmentation = Augmentation(
            jitter=recipe.jitter,
            crop=recipe.crop,
            horizon=view["horizon"],
            rotation=recipe.rotation,
            cut_depth=recipe.cut_depth,
            weather=recipe.weather,
            effects=recipe.effects or tuple(EFFECTS),
            mix=recipe.mix,
            boxes=recipe.boxes,
            focal=(focal, focal * aspect) if recipe.boxes and focal and aspect else None,
        )
    return (
        DepthGenerator(
            training,
            *size,
            shuffle=True,
            augmentation=augmentation,
            paired_views=recipe.consistency > 0,
            weights=weights if recipe.extra_weight != 1 else None,
            seed=recipe.seed,
            **settings,
        ),
        DepthGenerator(validation, *size, **settings) if len(validation) else None,
    )
